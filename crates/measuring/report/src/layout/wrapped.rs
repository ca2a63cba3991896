//! Lines that are broken at their blanks.

use super::width;

/// Breaks lines that are wider than `limit`. What follows is indented by two more, or stands behind the same `|` as the
/// line that it is quoted from. A command between backticks stays whole where a line can hold it; where none can, it goes
/// on behind a `\`, as a shell reads it.
pub fn wrap(text: &str, limit: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        if width(line) <= limit {
            out.push_str(line);
        } else {
            let (own, next) = margins(line);
            let mut filled = Filled { out: &mut out, line: own.to_owned(), begun: false, next, limit };
            for piece in pieces(&line[own.len()..]) {
                filled.add(&piece);
            }
            let Filled { line, .. } = filled;
            out.push_str(line.trim_end());
        }
        out.push('\n');
    }
    out
}

/// What stands before a line's text: blanks, or a number and a bar before what is quoted. And before what follows.
fn margins(line: &str) -> (&str, String) {
    let text = line.trim_start_matches(|letter: char| letter == ' ' || letter.is_ascii_digit());
    if let Some(quoted) = text.strip_prefix('|') {
        let own = &line[..line.len() - quoted.trim_start().len()];
        return (own, own.chars().map(|letter| if letter == '|' { '|' } else { ' ' }).collect());
    }
    let own = &line[..line.len() - line.trim_start().len()];
    (own, format!("{own}  "))
}

/// A word, or a command or a path whose blanks belong to it, with the blanks before it.
struct Piece<'a> {
    blanks: &'a str,
    word: &'a str,
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.trim_start().is_empty() {
        let (blanks, from) = rest.split_at(rest.len() - rest.trim_start().len());
        let (word, behind) = from.split_at(end_of_word(from));
        pieces.push(Piece { blanks, word });
        rest = behind;
    }
    pieces
}

/// Where the first word ends: at a blank that is in no quotes. An apostrophe inside a word opens none.
fn end_of_word(text: &str) -> usize {
    let (mut before, mut closed) = (' ', 0);
    for (at, letter) in text.char_indices().filter(|(_, letter)| !letter.is_control()) {
        if at < closed {
            continue;
        }
        if letter == ' ' {
            return at;
        }
        let opens = letter == '`' || letter == '\'' && matches!(before, ' ' | '=' | '(');
        if opens && let Some(length) = text[at + 1..].find(letter) {
            closed = at + 1 + length + 1;
        }
        before = letter;
    }
    text.len()
}

/// Lines that fill up.
struct Filled<'a> {
    out: &'a mut String,
    line: String,
    /// Is there more than the margin in the line?
    begun: bool,
    next: String,
    limit: usize,
}

impl Filled<'_> {
    fn add(&mut self, piece: &Piece<'_>) {
        let blanks = if self.begun { piece.blanks } else { "" };
        if width(&self.line) + blanks.len() + width(piece.word) <= self.limit {
            self.line += blanks;
        } else if self.begun {
            self.end("");
        }
        if width(&self.line) + width(piece.word) > self.limit && piece.word.starts_with('`') {
            self.command(piece.word);
        } else {
            self.line += piece.word;
        }
        self.begun = true;
    }

    fn end(&mut self, mark: &str) {
        self.out.push_str(self.line.trim_end());
        self.out.push_str(mark);
        self.out.push('\n');
        self.line = self.next.clone();
        self.begun = false;
    }

    /// A command that no line can hold.
    fn command(&mut self, command: &str) {
        const GOES_ON: &str = " \\";
        for piece in pieces(command.trim_start_matches('`')) {
            let tick = if self.begun { "" } else { "`" };
            let blanks = if self.begun { piece.blanks } else { "" };
            let needed = width(&self.line) + blanks.len() + width(piece.word) + GOES_ON.len();
            if self.begun && needed > self.limit {
                self.end(GOES_ON);
                self.line += "  ";
            } else {
                self.line += blanks;
                self.line += tick;
            }
            self.line += piece.word;
            self.begun = true;
        }
    }
}
