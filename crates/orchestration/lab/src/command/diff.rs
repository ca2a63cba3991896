//! `lab diff`: measurements that were written to files.

use std::path::PathBuf;

use anyhow::Context as _;
use journey::Design;
use measure::diff::{Diff, Run, diff};

use super::export::read;
use crate::arguments::{DiffArguments, DiffFormat, Global, VerdictArguments};
use crate::outcome::{Misuse, Outcome};
use crate::print;

pub(crate) fn run(global: &Global, wanted: &DiffArguments) -> anyhow::Result<Outcome> {
    let (before, after) = match wanted.files.as_slice() {
        [before, after] => (std::slice::from_ref(before), std::slice::from_ref(after)),
        _ => (wanted.before.as_slice(), wanted.after.as_slice()),
    };
    if wanted.paired && before.len() != after.len() {
        let (before, after) = (before.len(), after.len());
        return Err(
            Misuse(format!("--paired takes as many files on either side, not {before} and {after}")).into()
        );
    }
    // One after the other: all of a file's journeys take far more memory than what is compared.
    let read = |files: &[PathBuf]| -> anyhow::Result<Vec<Run>> {
        files.iter().map(|file| Run::of(&read(file)?)).collect()
    };
    let design = if wanted.paired { Design::Paired } else { Design::Unpaired };
    let compared = diff(&read(before)?, &read(after)?, wanted.verdict.wanted(design));
    let compared = compared.map_err(|error| Misuse(format!("{error:#}")))?;
    if wanted.verdict.fail_on_slower
        && let Some(why) = &compared.undecidable
    {
        // A check that could never fail.
        return Err(Misuse(format!("--fail-on-slower needs a verdict: {why}")).into());
    }
    show(&compared, global, &wanted.verdict)
}

/// Prints a comparison, and says how that ends.
pub(super) fn show(compared: &Diff, global: &Global, wanted: &VerdictArguments) -> anyhow::Result<Outcome> {
    let text = if global.json || wanted.format == DiffFormat::Json {
        serde_json::to_string_pretty(compared)?
    } else {
        report::diff::table(compared, global.style())
    };
    print::result(&text).context("write to stdout")?;
    let failed = compared.slower() || wanted.strict && !compared.decided();
    Ok(if wanted.fail_on_slower && failed { Outcome::CheckFailed } else { Outcome::Good })
}
