//! Single values: read, compared with what is possible, or refused with what was expected.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;

use crate::distance::closest;
use crate::error::{PlanError, Sources};

pub(super) fn text(value: &Option<Spanned<String>>, default: &str) -> String {
    value.as_ref().map_or_else(|| default.to_owned(), |value| value.get_ref().clone())
}

pub(super) fn path(value: &Option<Spanned<String>>) -> Option<PathBuf> {
    value.as_ref().map(|value| PathBuf::from(value.get_ref())).filter(|path| !path.as_os_str().is_empty())
}

/// One of `choices`; the first when nothing is said.
pub(super) fn choice(
    value: &Option<Spanned<String>>,
    key: &str,
    choices: &[&str],
    sources: &Sources,
) -> Result<String, PlanError> {
    let Some(value) = value else { return Ok(choices[0].to_owned()) };
    let text = value.get_ref();
    if choices.contains(&text.as_str()) {
        return Ok(text.clone());
    }
    let list = choices.join(", ");
    let remedy = match closest(text, choices.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"? Possible: {list}"),
        None => format!("write one of: {list}"),
    };
    Err(sources.error(&value.span(), key, format!("`{text}` is not possible here"), remedy))
}

pub(super) fn whole(
    value: &Option<Spanned<i64>>,
    key: &str,
    range: std::ops::RangeInclusive<i64>,
    default: i64,
    sources: &Sources,
) -> Result<i64, PlanError> {
    let Some(value) = value else { return Ok(default) };
    let number = *value.get_ref();
    if range.contains(&number) {
        return Ok(number);
    }
    let (from, to) = (range.start(), range.end());
    let problem = format!("{number} is out of range; expected {from} to {to}");
    Err(sources.error(&value.span(), key, problem, format!("write a number from {from} to {to}")))
}

pub(super) fn seconds(
    value: &Option<Spanned<f64>>,
    key: &str,
    default: f64,
    sources: &Sources,
) -> Result<Duration, PlanError> {
    let Some(value) = value else { return Ok(Duration::from_secs_f64(default)) };
    let number = *value.get_ref();
    if (0.01..=3600.0).contains(&number) {
        return Ok(Duration::from_secs_f64(number));
    }
    let problem = format!("{number} is out of range; expected 0.01 to 3600");
    Err(sources.error(&value.span(), key, problem, "write seconds, such as 1.0"))
}

/// Names become folders and file names.
pub(super) fn plain_name(
    name: &str,
    span: &Range<usize>,
    key: &str,
    sources: &Sources,
) -> Result<(), PlanError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=63).contains(&name.len()) && name.bytes().all(plain) && !name.starts_with('-') {
        return Ok(());
    }
    let remedy = "use a-z, 0-9 and -, at most 63 of them: the name is also a folder's";
    Err(sources.error(span, key, format!("`{name}` cannot be a name"), remedy))
}
