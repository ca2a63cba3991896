//! `lab compare`: how many runs, for how long, and where they are kept.

use std::path::PathBuf;

use clap::Args;

use super::diff::VerdictArguments;
use super::load::LoadArguments;
use super::values::{runs, seconds};

/// How two variants are compared.
#[derive(Args, Clone, Debug)]
pub(crate) struct CompareArguments {
    /// At most so many starts of each variant
    #[arg(long, value_name = "N", value_parser = runs, default_value_t = 20)]
    pub(crate) runs: usize,
    /// No longer than so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) time: Option<f64>,
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    #[command(flatten)]
    pub(crate) verdict: VerdictArguments,
    /// Keep each run's measurement in this folder: a-01.json, b-01.json, …
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
