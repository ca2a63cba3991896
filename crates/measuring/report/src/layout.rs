//! Text and tables, as wide as the terminal of whoever reads them. What can be pasted is never cut: a path, a URL, and a
//! command between backticks.

mod columns;
#[cfg(test)]
mod tests;
mod wrapped;

pub use columns::{Column, Table};
pub use wrapped::wrap;

/// The width of a terminal that nobody has to widen, and of what goes to no terminal.
pub const WIDTH: usize = 80;

/// How many columns a text takes; the colours in it take none.
pub fn width(text: &str) -> usize {
    let mut letters = text.chars();
    let mut count = 0;
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            // ECMA-48 §5.4: a control sequence ends with a letter.
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else {
            count += 1;
        }
    }
    count
}
