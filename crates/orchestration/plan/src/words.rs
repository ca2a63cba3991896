//! A command line's words, split as a shell would (`shlex`), without any of its magic.

/// Splits at white space; quotes and backslashes keep white space together.
///
/// # Errors
/// What is wrong with it: a quote that is never closed, or no word at all.
pub(crate) fn split(line: &str) -> Result<Vec<String>, String> {
    let words = shlex::split(line).ok_or("a quote is never closed, or nothing follows the last backslash")?;
    if words.is_empty() { Err("there is no command".to_owned()) } else { Ok(words) }
}
