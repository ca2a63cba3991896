//! `lab measure`: what is measured, and how the result is written.

use std::path::PathBuf;

use clap::Args;

use super::format::Format;
use super::load::LoadArguments;
use crate::outcome::Misuse;

/// How many journeys of which kind, and where the result goes.
#[derive(Args, Clone, Debug)]
pub(crate) struct MeasureArguments {
    #[command(flatten)]
    pub(crate) load: LoadArguments,
    /// Measure what measuring costs, too: 1000 or more requests, recorded and unrecorded by turns
    #[arg(long)]
    pub(crate) overhead: bool,
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
    #[arg(long, value_name = "FILE", requires = "pcap", conflicts_with = "rate")]
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
        Ok(measure::Options { overhead: self.overhead, ..self.load.options(1)? })
    }
}
