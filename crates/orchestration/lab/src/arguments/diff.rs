//! `lab diff`: which files, and when it fails.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use measure::diff::Wanted;

use super::values::percent;

/// What to compare.
#[derive(Args, Clone, Debug)]
pub(crate) struct DiffArguments {
    /// Two measurements, the first one and the second one: journey/1, as `lab measure --format json` writes it
    #[arg(value_name = "BEFORE.json AFTER.json", num_args = 2, required_unless_present = "before")]
    pub(crate) files: Vec<PathBuf>,
    /// The measurements of the first side, each of another start of the programs
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "after", conflicts_with = "files")]
    pub(crate) before: Vec<PathBuf>,
    /// The measurements of the second side
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "before", conflicts_with = "files")]
    pub(crate) after: Vec<PathBuf>,
    /// The n-th of each side were made soon after each other: compare each pair with itself
    #[arg(long, requires = "before")]
    pub(crate) paired: bool,
    #[command(flatten)]
    pub(crate) verdict: VerdictArguments,
}

/// What counts as a difference, how it is written, and when it is a failure.
#[derive(Args, Clone, Debug)]
pub(crate) struct VerdictArguments {
    /// A smaller difference of medians is none, in percent of the first
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "2")]
    pub(crate) least: f64,
    /// An interval is narrow enough when it reaches at most so far to either side, in percent of the first total
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "5")]
    pub(crate) enough: f64,
    /// End with 1 when a total is slower
    #[arg(long)]
    pub(crate) fail_on_slower: bool,
    /// With --fail-on-slower: end with 1 also when a total is undecided
    #[arg(long, requires = "fail_on_slower")]
    pub(crate) strict: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = DiffFormat::Table)]
    pub(crate) format: DiffFormat,
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people
    Table,
    /// The schema journey-diff/2
    Json,
}

impl VerdictArguments {
    pub(crate) fn wanted(&self, design: journey::Design) -> Wanted {
        Wanted { design, least: self.least / 100.0, enough: self.enough / 100.0 }
    }
}
