//! How much of a measurement is shown, and with which means.

use anstyle::{AnsiColor, Style as Paint};

/// How a table is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Opens every row into its parts, behind the ten rows. Such tables are as wide as they need to be.
    pub parts: bool,
    /// For a terminal that shows colours (ECMA-48).
    pub colour: bool,
}

impl Style {
    /// Plain text with every part.
    pub fn parts() -> Self {
        Style { parts: true, colour: false }
    }

    /// What is said of the lab: what went wrong, what to know, and what to do stand out.
    pub fn note(self, text: &str) -> String {
        let marks = [
            ("error:", AnsiColor::Red.on_default().bold()),
            ("! ", AnsiColor::Yellow.on_default().bold()),
            ("what to do:", AnsiColor::Cyan.on_default().bold()),
        ];
        let line = |line: &str| {
            let words = line.trim_start();
            let (blanks, found) =
                (&line[..line.len() - words.len()], marks.iter().find(|(mark, _)| words.starts_with(mark)));
            found.map_or_else(
                || line.to_owned(),
                |(mark, paint)| format!("{blanks}{}{}", self.paint(*paint, mark), &words[mark.len()..]),
            )
        };
        text.split_inclusive('\n').map(line).collect()
    }

    pub(crate) fn title(self, text: &str) -> String {
        self.paint(Paint::new().bold(), text)
    }

    pub(crate) fn quiet(self, text: &str) -> String {
        self.paint(Paint::new().dimmed(), text)
    }

    /// As it should be.
    pub fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    /// Worth a look.
    pub fn notable(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    /// Something is wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint(AnsiColor::Red.on_default().bold(), text)
    }

    fn paint(self, paint: Paint, text: &str) -> String {
        if self.colour && !text.trim().is_empty() {
            format!("{paint}{text}{paint:#}")
        } else {
            text.to_owned()
        }
    }
}
