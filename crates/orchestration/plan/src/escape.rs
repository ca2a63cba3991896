//! Values within the double quotes of a configuration file: a folder may be called anything.

use serde::Deserialize;

/// What a program takes for an escape within double quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Escape {
    /// A backslash before `"` and `\`: nginx, YAML, JSON, TOML, Caddy.
    #[default]
    Backslash,
    /// The same, and before `$`, which would begin a variable: HAProxy, the shell.
    Shell,
    /// Nothing: everything up to the next `"` is meant as it stands, as in Unbound and NSD.
    None,
}

impl Escape {
    /// A value as it has to be written.
    ///
    /// # Errors
    /// This file cannot hold it; the sentence says what to do.
    pub(crate) fn within_quotes(self, name: &str, value: &str) -> Result<String, String> {
        let special: &[char] = match self {
            Escape::Backslash => &['"', '\\'],
            Escape::Shell => &['"', '\\', '$'],
            Escape::None if value.contains('"') => {
                return Err(format!(
                    "{{{name}}} is {value:?}, and this program's files cannot hold a quotation mark: use a folder without one in its name"
                ));
            }
            Escape::None => &[],
        };
        let mut out = String::with_capacity(value.len());
        for letter in value.chars() {
            out.extend(special.contains(&letter).then_some('\\'));
            out.push(letter);
        }
        Ok(out)
    }
}
