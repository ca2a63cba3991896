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

    pub(crate) fn title(self, text: &str) -> String {
        self.paint(Paint::new().bold(), text)
    }

    pub(crate) fn quiet(self, text: &str) -> String {
        self.paint(Paint::new().dimmed(), text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.paint(AnsiColor::Green.on_default(), text)
    }

    pub(crate) fn notable(self, text: &str) -> String {
        self.paint(AnsiColor::Yellow.on_default().bold(), text)
    }

    fn paint(self, paint: Paint, text: &str) -> String {
        if self.colour && !text.trim().is_empty() {
            format!("{paint}{text}{paint:#}")
        } else {
            text.to_owned()
        }
    }
}
