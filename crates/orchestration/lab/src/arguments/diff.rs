//! `lab diff`: which files, and when it fails.

use std::path::PathBuf;

use clap::Args;

use super::values::percent;

/// What to compare.
#[derive(Args, Clone, Debug)]
pub(crate) struct DiffArguments {
    /// The first measurement: journey/1, as `lab measure --format json` writes it
    #[arg(value_name = "BEFORE.json")]
    pub(crate) before: PathBuf,
    /// The second one
    #[arg(value_name = "AFTER.json")]
    pub(crate) after: PathBuf,
    /// A smaller difference of medians is none, in percent of the first
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "2")]
    pub(crate) least: f64,
    /// End with 1 when a total is slower
    #[arg(long)]
    pub(crate) fail_on_slower: bool,
}
