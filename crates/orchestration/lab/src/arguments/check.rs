//! `lab check`: how many journeys, and when it fails.

use std::path::PathBuf;

use clap::Args;

use super::values::count;

/// Fewer journeys cannot tell a median with 95 % confidence: 2 · ½⁵ is more than 5 %.
pub(crate) const FEWEST: usize = 6;

/// How many journeys, and when they fail.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArguments {
    /// How many cold journeys; at least 6, or no median can be told with 95 % confidence
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = enough)]
    pub(crate) number: usize,
    /// So many starts of the programs, and that many journeys of each. One says nothing of another start
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1)]
    pub(crate) runs: usize,
    /// Fail also when a line is inconclusive
    #[arg(long)]
    pub(crate) strict: bool,
    /// Write a JUnit report to this file, too: one test case per line of the budget
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

fn enough(text: &str) -> Result<usize, String> {
    match count(text)? {
        few @ ..FEWEST => Err(format!("{few} journeys cannot tell a median: at least {}", FEWEST)),
        count => Ok(count),
    }
}
