//! What an engine says of itself.

use std::time::Duration;

/// How long one engine may take to tell its settings.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

/// Its settings as name and value.
pub(super) type Settings = Vec<(String, String)>;

pub(super) fn value<'a>(settings: &'a Settings, name: &str) -> &'a str {
    settings.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
}
