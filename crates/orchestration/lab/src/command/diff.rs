//! `lab diff`: two measurements that were written to files.

use anyhow::Context as _;

use super::export::read;
use crate::cli::{Compared, Global, Misuse, Outcome};
use crate::{diff, print, report};

pub(super) fn run(global: &Global, wanted: &Compared) -> anyhow::Result<Outcome> {
    let (before, after) = (read(&wanted.before)?, read(&wanted.after)?);
    let compared =
        diff::diff(&before, &after, wanted.least / 100.0).map_err(|error| Misuse(format!("{error:#}")))?;
    let text =
        if global.json { serde_json::to_string_pretty(&compared)? } else { report::diff::table(&compared) };
    print::result(&text).context("write to stdout")?;
    Ok(if wanted.fail_on_slower && compared.slower() { Outcome::CheckFailed } else { Outcome::Good })
}
