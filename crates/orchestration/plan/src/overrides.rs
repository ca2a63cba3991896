//! `--set key=value`: the same keys as in lab.toml, from the command line.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{PlanError, Sources};

/// One `--set`, as text that continues where the sources end.
pub(crate) struct Override {
    /// The option as TOML, moved by line breaks to its offset in [`Sources`].
    text: String,
    /// The same with its value quoted.
    quoted: String,
    start: usize,
}

impl Override {
    /// Reads `key=value`.
    ///
    /// # Errors
    /// There is no `=`, or nothing before it.
    pub(crate) fn new(typed: &str, sources: &mut Sources) -> Result<Self, PlanError> {
        // Quoted it can at most be six times as long (\u0000), plus quotes.
        let start = sources.option(format!("--set {typed}"), typed.len() * 6 + 2);
        let refuse = |problem: &str| {
            let remedy = "write --set KEY=VALUE, such as --set network.port_offset=100";
            sources.error(&(start..start), "", problem, remedy)
        };
        let (key, value) = typed.split_once('=').ok_or_else(|| refuse("expected KEY=VALUE"))?;
        let (key, value) = (key.trim(), value.trim());
        if key.is_empty() {
            return Err(refuse("there is no key before the ="));
        }
        let lead = "\n".repeat(start);
        let string = serde_json::Value::from(value).to_string();
        Ok(Override { text: format!("{lead}{key}={value}"), quoted: format!("{lead}{key}={string}"), start })
    }

    /// Changes `document` accordingly.
    ///
    /// The value is read as TOML, and as a string if that fails, or if a string stands there now: so
    /// `shop.user=789` and `hop.lb.listen=127.0.0.1:8443` need no quotes.
    pub(crate) fn apply<'i>(
        &'i self,
        document: &mut DeTable<'i>,
        sources: &Sources,
    ) -> Result<(), PlanError> {
        let quoted = || {
            DeTable::parse(&self.quoted).map_err(|error| {
                let remedy = "write a dotted key, such as hop.lb.balance";
                sources.error(&(self.start..self.start), "", error.message().to_owned(), remedy)
            })
        };
        let parsed = match DeTable::parse(&self.text) {
            Ok(parsed) if !replaces_string(parsed.get_ref(), document) => parsed,
            _ => quoted()?,
        };
        merge(document, parsed.into_inner());
        Ok(())
    }
}

/// Would a value of another simple type take the place of a string?
fn replaces_string(new: &DeTable<'_>, old: &DeTable<'_>) -> bool {
    new.iter().any(|(key, value)| {
        let Some(there) = old.get(key.get_ref().as_ref()) else { return false };
        match (value.get_ref(), there.get_ref()) {
            (DeValue::Table(new), DeValue::Table(old)) => replaces_string(new, old),
            (DeValue::Table(_) | DeValue::Array(_) | DeValue::String(_), _) => false,
            (_, there) => there.is_str(),
        }
    })
}

/// Puts every value of `new` into `old`; tables are merged, everything else is replaced.
fn merge<'i>(old: &mut DeTable<'i>, new: DeTable<'i>) {
    for (key, value) in new {
        match (old.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut), value) {
            (Some(DeValue::Table(there)), value) if value.get_ref().is_table() => {
                if let DeValue::Table(table) = value.into_inner() {
                    merge(there, table);
                }
            }
            // Remove first: the key's own place must be the new one, too.
            (_, value) => {
                old.remove(key.get_ref().as_ref());
                old.insert(key, value);
            }
        }
    }
}
