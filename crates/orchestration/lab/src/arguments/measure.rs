//! `lab measure`: what is measured, and how the result is written.

use std::path::PathBuf;

use clap::Args;

use super::format::Format;
use super::values::{MOST, connections, count, rate, seconds};
use crate::outcome::Misuse;

/// With a rate and nothing else, requests are sent for so many seconds.
const DURATION: f64 = 10.0;

/// How many journeys of which kind, and where the result goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct MeasureArguments {
    /// How many journeys of each kind; with --rate, how many requests [default: 1; with --rate, 10 s of them]
    #[arg(short = 'n', long, value_name = "N", value_parser = count)]
    pub(crate) number: Option<usize>,
    /// Send so many requests per second, warm, at their times, whatever the answers do (an open loop)
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, conflicts_with_all = ["cold", "keys"])]
    pub(crate) rate: Option<f64>,
    /// With --rate: for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "rate", conflicts_with = "number")]
    pub(crate) duration: Option<f64>,
    /// With --rate: over at most so many connections, one request at a time on each
    #[arg(long, value_name = "N", value_parser = connections, requires = "rate", default_value_t = 16)]
    pub(crate) connections: usize,
    /// Keep at most so many journeys of each kind in full, evenly spread; figures are always those of all
    #[arg(long, value_name = "N", value_parser = count, default_value_t = measure::KEEP)]
    pub(crate) journeys: usize,
    /// Measure what measuring costs, too: 1000 or more requests, recorded and unrecorded by turns
    #[arg(long)]
    pub(crate) overhead: bool,
    /// Only cold ones
    #[arg(long, conflicts_with = "warm")]
    pub(crate) cold: bool,
    /// Only warm ones
    #[arg(long)]
    pub(crate) warm: bool,
    /// How the result is written
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Write the result to this file instead of stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Capture the packets on loopback meanwhile (needs CAP_NET_RAW) and print what they say of each
    /// program and each leg beside what the programs say
    #[arg(long)]
    pub(crate) tap: bool,
    /// Write the captured packets to this file, which Wireshark opens
    #[arg(long, value_name = "FILE", requires = "tap")]
    pub(crate) pcap: Option<PathBuf>,
    /// Write the browser's TLS session keys to this file (SSLKEYLOGFILE). Whoever has both files can
    /// read everything, the bearer token included
    #[arg(long, value_name = "FILE", requires = "pcap")]
    pub(crate) keys: Option<PathBuf>,
}

impl MeasureArguments {
    /// What the packet capture shall do; paths become absolute, for a lab that runs elsewhere.
    pub(crate) fn tap(&self) -> std::io::Result<Option<measure::packets::Options>> {
        let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
        let (pcap, keys) = (absolute(&self.pcap)?, absolute(&self.keys)?);
        Ok(self.tap.then_some(measure::packets::Options { pcap, keys }))
    }
}

impl MeasureArguments {
    /// What was typed, as what is measured.
    pub(crate) fn options(&self) -> Result<measure::Options, Misuse> {
        let count = match (self.rate, self.number) {
            (Some(rate), None) => (rate * self.duration.unwrap_or(DURATION)).round().max(1.0) as usize,
            (_, number) => number.unwrap_or(1),
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
            overhead: self.overhead,
            ..measure::Options::default()
        })
    }
}
