//! How many requests of which kind, and how they are sent: of every command that measures.

use clap::Args;

use super::values::{MOST, connections, count, rate, seconds};
use crate::outcome::Misuse;

/// With a rate and nothing else, requests are sent for so many seconds.
const DURATION: f64 = 10.0;

/// How many journeys of which kind.
#[derive(Args, Clone, Debug)]
pub(crate) struct LoadArguments {
    /// How many journeys of each kind; with --rate, how many requests [default: 1, of each run of `compare` 100; with
    /// --rate, 10 s of them]
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub(crate) number: Option<usize>,
    /// Send so many requests per second, warm, at their times, whatever the answers do (an open loop)
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, conflicts_with = "cold")]
    pub(crate) rate: Option<f64>,
    /// With --rate: for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "rate", conflicts_with = "number")]
    pub(crate) duration: Option<f64>,
    /// With --rate: over at most so many connections, one request at a time on each
    #[arg(long, value_name = "N", value_parser = connections, requires = "rate", default_value_t = 16)]
    pub(crate) connections: usize,
    /// Keep at most so many journeys of each kind in full, evenly spread; a total's figures are always those of all
    #[arg(long, value_name = "N", value_parser = count, default_value_t = measure::KEEP)]
    pub(crate) journeys: usize,
    /// Only cold ones
    #[arg(long, conflicts_with = "warm")]
    pub(crate) cold: bool,
    /// Only warm ones
    #[arg(long)]
    pub(crate) warm: bool,
}

impl LoadArguments {
    /// What was typed, as what is measured; `usual` journeys of each kind, unless it says otherwise.
    pub(crate) fn options(&self, usual: usize) -> Result<measure::Options, Misuse> {
        let count = match (self.rate, self.number) {
            (Some(rate), None) => (rate * self.duration.unwrap_or(DURATION)).round().max(1.0) as usize,
            (_, number) => number.unwrap_or(usual),
        };
        if count > MOST {
            return Err(Misuse(format!("that makes {count} requests: at most {MOST} are made at once")));
        }
        Ok(measure::Options {
            count,
            cold: !self.warm && self.rate.is_none(),
            warm: !self.cold,
            keep: self.journeys,
            rate: self.rate,
            connections: self.connections,
            ..measure::Options::default()
        })
    }
}
