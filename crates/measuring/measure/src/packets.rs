//! Packets on loopback beside what the programs say of the same journeys (`lab measure --tap`).

mod key_log;

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::Context as _;
use journey::{Anomaly, Percentiles, TraceId};
use serde::{Deserialize, Serialize};
pub use tap::allowed;
use tap::compare::{Compared, HopCompared, compare};
use tap::filter::LabAddresses;
use tap::reported::ReportedStamps;
use tap::{Capture, Lost, Streams};

pub(crate) use key_log::KeyFile;

use crate::collect::Collector;
use crate::series::Series;
use crate::target::Target;

/// The capture's name where it has something to say of a journey.
const TAP: &str = "tap";

/// What to capture, and where to put it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Write the packets to this file, for Wireshark.
    pub pcap: Option<PathBuf>,
    /// Write the keys of the browser's TLS sessions to this file.
    pub keys: Option<PathBuf>,
}

/// What the tap saw, and how it compares with what the programs say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tap {
    /// Packets of the lab that were seen; on loopback each counts twice, out and in.
    pub packets: u64,
    /// Packets that found no room: journeys in whose time that happened are flagged.
    pub lost: u64,
    /// Between how many pairs of sockets they went.
    pub flows: usize,
    /// How many of those began before the capture. Their bytes are counted from where most of the
    /// programs' stamps say; their times are the packets' own all the same.
    pub anchored: usize,
    /// Cold journeys, by stamps and by packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Compared>,
    /// Warm journeys, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Compared>,
}

impl Tap {
    /// Both kinds, cold first.
    pub fn compared(&self) -> impl Iterator<Item = &Compared> {
        self.cold.iter().chain(&self.warm)
    }

    /// The programs whose stamps are not to be trusted, in either kind of journey.
    pub fn misreporting(&self) -> impl Iterator<Item = &HopCompared> {
        self.compared().flat_map(Compared::misreporting)
    }
}

/// A capture that goes on while requests are sent.
pub(crate) struct PacketWatch {
    capture: Option<Capture>,
    own: LabAddresses,
    roster: journey::Roster,
    collector: Collector,
}

/// What [`Target::network`] says where all programs share the machine's own network.
const LOOPBACK: &str = "loopback";

impl PacketWatch {
    /// Begins to capture, and to keep what the programs report.
    ///
    /// # Errors
    /// The process may not capture, or the file cannot be made.
    pub(crate) fn begin(target: &Target, collector: &Collector, options: &Options) -> anyhow::Result<Self> {
        anyhow::ensure!(
            target.network == LOOPBACK,
            "packets are captured on loopback alone, and this lab runs in a network of its own\n  what to do: measure with \
             the tap on a lab that is started without --net real"
        );
        let own: LabAddresses = target.hops.iter().flat_map(|hop| hop.listen.iter().copied()).collect();
        let capture = Capture::start(own.clone(), options.pcap.as_deref())?;
        collector.keep_reported();
        let (roster, collector) = (target.roster(), collector.clone());
        Ok(PacketWatch { capture: Some(capture), own, roster, collector })
    }

    /// Ends the capture and compares; journeys in whose time packets were lost are marked. Takes a moment, until the
    /// last packets are here.
    ///
    /// # Errors
    /// The capture failed meanwhile.
    pub(crate) fn end(mut self, cold: &mut Option<Series>, warm: &mut Option<Series>) -> anyhow::Result<Tap> {
        let capture = self.capture.take().context("a capture ends once")?;
        let taken = capture.stop()?;
        let reported = self.collector.take_reported();
        let mut streams = Streams::new(&taken.packets, &self.own);
        streams.anchor(reported.iter().flat_map(|journey| &journey.stamps).map(|entry| &entry.stamp));
        let (flows, anchored) = streams.counts();
        let compared = |series: &Option<Series>| {
            let series = series.as_ref()?;
            let traces: HashSet<TraceId> = series.journeys.iter().map(|journey| journey.trace_id).collect();
            let of_series = reported.iter().filter(|journey| traces.contains(&journey.trace_id));
            let of_series: Vec<ReportedStamps> = of_series.cloned().collect();
            Some(compare(&of_series, &streams, &self.roster))
        };
        let tap = Tap {
            packets: taken.seen,
            lost: taken.lost.iter().map(|lost| lost.packets).sum(),
            flows,
            anchored,
            cold: compared(cold),
            warm: compared(warm),
        };
        for series in cold.iter_mut().chain(warm) {
            mark(series, &taken.lost);
        }
        Ok(tap)
    }
}

impl Drop for PacketWatch {
    fn drop(&mut self) {
        self.collector.take_reported();
    }
}

/// Says of which journeys packets were lost: what the programs say of them is no less right.
fn mark(series: &mut Series, lost: &[Lost]) {
    if lost.is_empty() {
        return;
    }
    for journey in &mut series.journeys {
        let (start, end) = (journey.start_unix_ns, journey.start_unix_ns + journey.total_ns);
        let meanwhile = lost.iter().filter(|lost| lost.after <= end && lost.before >= start);
        let packets: u64 = meanwhile.map(|lost| lost.packets).sum();
        if packets > 0 {
            let what = format!("{packets} packets were lost about this time: the comparison has gaps");
            journey.disturbances.push(Anomaly { hop: TAP.to_owned(), what, by_ns: 0 });
        }
    }
    if let Some(summary) = &mut series.summary {
        let undisturbed = series.journeys.iter().filter(|journey| journey.undisturbed());
        summary.undisturbed = Percentiles::of(undisturbed.map(|journey| journey.total_ns).collect());
        summary.disturbed = series.journeys.iter().filter(|journey| !journey.disturbances.is_empty()).count();
    }
}

#[cfg(test)]
mod tests;
