//! `lab diff`: two measurements that were written to files.

use anyhow::Context as _;
use measure::diff;

use super::export::read;
use crate::arguments::{DiffArguments, Global};
use crate::outcome::{Misuse, Outcome};
use crate::print;

pub(crate) fn run(global: &Global, wanted: &DiffArguments) -> anyhow::Result<Outcome> {
    let (before, after) = (read(&wanted.before)?, read(&wanted.after)?);
    let compared =
        diff::diff(&before, &after, wanted.least / 100.0).map_err(|error| Misuse(format!("{error:#}")))?;
    let text =
        if global.json { serde_json::to_string_pretty(&compared)? } else { report::diff::table(&compared) };
    print::result(&text).context("write to stdout")?;
    Ok(if wanted.fail_on_slower && compared.slower() { Outcome::CheckFailed } else { Outcome::Good })
}
