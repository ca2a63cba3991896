//! From characters to tokens (RFC 1035 §5.1).

use crate::error::Problem;
use crate::token::Token;

/// One entry of the file: a line, or several that parentheses join.
#[derive(Debug)]
pub(crate) struct Line {
    /// The line on which the first token stands.
    pub(crate) number: usize,
    /// It begins with a blank: the owner of the entry before it is meant.
    pub(crate) indented: bool,
    /// At least one.
    pub(crate) tokens: Vec<Token>,
}

/// Takes a file apart.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        // Some editors begin a file with a byte order mark.
        Lexer { rest: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), line: 1 }
    }

    /// The next entry that is not empty.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>, Problem> {
        loop {
            let indented = matches!(self.rest.first(), Some(b' ' | b'\t'));
            let tokens = self.tokens()?;
            if let Some(first) = tokens.first() {
                return Ok(Some(Line { number: first.line, indented, tokens }));
            }
            if self.rest.is_empty() {
                return Ok(None);
            }
        }
    }

    /// The tokens up to the end of the line, or of the file.
    fn tokens(&mut self) -> Result<Vec<Token>, Problem> {
        let mut tokens = Vec::new();
        let mut opened = None;
        while let Some((&byte, after)) = self.rest.split_first() {
            match byte {
                b'\n' => {
                    self.rest = after;
                    self.line += 1;
                    if opened.is_none() {
                        return Ok(tokens);
                    }
                }
                b' ' | b'\t' | b'\r' => self.rest = after,
                b';' => {
                    let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                b'(' if opened.is_some() => {
                    return Err(self.problem("\"(\" inside parentheses: they don't nest"));
                }
                b'(' => {
                    opened = Some(self.line);
                    self.rest = after;
                }
                b')' if opened.is_none() => return Err(self.problem("\")\" without a \"(\" before it")),
                b')' => {
                    opened = None;
                    self.rest = after;
                }
                _ => tokens.push(self.token()?),
            }
        }
        match opened {
            Some(line) => {
                Err(Problem { line, text: "\"(\" without a \")\" up to the end of the file".into() })
            }
            None => Ok(tokens),
        }
    }

    /// The token that begins here. Its escapes stay: what they mean depends on the field.
    fn token(&mut self) -> Result<Token, Problem> {
        let (text, line) = (self.rest, self.line);
        let quoted = text[0] == b'"';
        let mut in_quotes = quoted;
        let mut at = usize::from(quoted);
        loop {
            match text.get(at) {
                None if in_quotes => {
                    return Err(Problem {
                        line,
                        text: "'\"' without a second up to the end of the file".into(),
                    });
                }
                None => break,
                Some(b'\\') => {
                    // Whatever follows is data, also a quote, a blank or a semicolon.
                    if text.get(at + 1).is_none_or(|next| *next == b'\n') {
                        return Err(
                            self.problem("\"\\\" at the end of a line: expected a character after it")
                        );
                    }
                    at += 2;
                }
                Some(b'"') if in_quotes => {
                    at += 1;
                    if !text.get(at).is_none_or(|next| ends_word(*next)) {
                        return Err(self.problem("expected a blank after the closing '\"'"));
                    }
                    break;
                }
                // As in alpn="h2": only a parameter's value may be quoted alone (RFC 9460 §2.1).
                Some(b'"') if text[at - 1] == b'=' => {
                    in_quotes = true;
                    at += 1;
                }
                Some(b'"') => return Err(self.problem("'\"' inside a word: write \\\" or a blank before it")),
                Some(b'\n') if in_quotes => {
                    self.line += 1;
                    at += 1;
                }
                Some(byte) if !in_quotes && ends_word(*byte) => break,
                Some(_) => at += 1,
            }
        }
        self.rest = &text[at..];
        let raw = if quoted { &text[1..at - 1] } else { &text[..at] };
        Ok(Token { line, quoted, raw: raw.to_vec() })
    }

    fn problem(&self, text: &str) -> Problem {
        Problem { line: self.line, text: text.to_owned() }
    }
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')')
}
