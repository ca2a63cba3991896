//! Text, shares and qualities, as the page writes them.

use std::fmt::{self, Write as _};

use journey::Quality;

/// Text in a page.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            letter => f.write_char(letter),
        })
    }
}

/// Who took a time.
pub(super) fn quality_words(quality: Quality) -> &'static str {
    match quality {
        Quality::Kernel => "the kernel's stamps",
        Quality::User => "its own stamps",
        Quality::Inferred => "its neighbours",
    }
}

pub(super) fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}
