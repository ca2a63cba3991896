//! `lab diff`: two measurements that were written to files.

use std::path::Path;

use anyhow::Context as _;

use crate::cli::{Compared, Global, Misuse, Outcome};
use crate::measure::Measured;
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

/// A measurement from a file; what is wrong with it is the user's to mend.
fn read(path: &Path) -> anyhow::Result<Measured> {
    let read = || {
        let file = std::fs::File::open(path)?;
        anyhow::Ok(serde_json::from_reader(std::io::BufReader::new(file))?)
    };
    read().map_err(|error| {
        Misuse(format!(
            "{} is no measurement: {error:#}\n  what to do: lab measure -n 200 --format json --out {}",
            path.display(),
            path.display()
        ))
        .into()
    })
}
