//! The result: a journey, and what it left to be done when it had its response.

use serde::{Deserialize, Serialize};

use crate::part::{Anomaly, Counts, Part};
use crate::trace::TraceId;

/// Something that was done because of a request, and for which nobody on the request's way waited: its total is without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// The trace that it has for itself, or the request's own.
    pub trace_id: TraceId,
    /// Who did it.
    pub hop: String,
    /// The hop's role in the plan.
    pub role: String,
    /// What was done, such as `confirm reservations`.
    pub name: String,
    /// When it began, since the journey's start, in nanoseconds. It may begin before the response has ended.
    pub start_ns: i64,
    /// In nanoseconds.
    pub duration_ns: u64,
    /// For how many requests it was done at once.
    pub requests: u32,
    /// Why it failed, if it did (`error.type`): then it is tried again.
    pub error: Option<String>,
    /// In order; they tile it. Each begins at its `start_ns` since this began.
    pub parts: Vec<Part>,
    /// Hops that should have reported of it and have not (yet).
    pub silent: Vec<String>,
    /// What cannot be, as it was measured.
    pub anomalies: Vec<Anomaly>,
}

/// One request, put together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// In the collector and in the logs.
    pub trace_id: TraceId,
    /// The request, such as `POST /items`.
    pub name: String,
    /// When it began: nanoseconds since the Unix epoch.
    pub start_unix_ns: u64,
    /// From its beginning to the response's last byte, as the client's monotonic clock has it.
    pub total_ns: u64,
    /// `total_ns` less the sum of the parts: time that no one accounts for. Below zero only when
    /// clocks disagree, which is then also an anomaly.
    pub unaccounted_ns: i64,
    /// The response's status, if there was a response.
    pub status: Option<u16>,
    /// In order; they tile the journey.
    pub parts: Vec<Part>,
    /// Exact counts.
    pub counts: Counts,
    /// Hops that should have reported and did not: the journey is sealed when this is empty.
    pub silent: Vec<String>,
    /// Hops behind a program that reports nothing, of which nobody can tell whether it called them: they may still
    /// report, or never.
    #[serde(default)]
    pub awaited: Vec<String>,
    /// What cannot be, as it was measured; empty for most.
    pub anomalies: Vec<Anomaly>,
    /// What befell it that is no fault of its stamps, such as a core that a hypervisor took: such a journey counts in
    /// every figure, because slow ones are hit more often, and leaving them out would cut the tail off.
    #[serde(default)]
    pub disturbances: Vec<Anomaly>,
    /// What was done because of it, and that nobody waited for, as far as it is known: in the order of time.
    #[serde(default)]
    pub after: Vec<After>,
    /// How much more was announced, and is not done yet, or not reported.
    #[serde(default)]
    pub outstanding: u32,
}

impl Journey {
    /// Have all hops reported that should?
    pub fn sealed(&self) -> bool {
        self.silent.is_empty()
    }

    /// Sealed, and nobody is left who may still report.
    pub fn complete(&self) -> bool {
        self.sealed() && self.awaited.is_empty()
    }

    /// Complete, and so is everything that was done because of it.
    pub fn settled(&self) -> bool {
        self.complete() && self.outstanding == 0 && self.after.iter().all(|after| after.silent.is_empty())
    }

    /// What makes its parts unfit for statistics; empty for most. Its total is known all the same.
    pub fn flaws(&self) -> Vec<String> {
        let silent = self.silent.iter().map(|hop| format!("{hop} did not report"));
        let strange = self.anomalies.iter().map(|anomaly| format!("{}: {}", anomaly.hop, anomaly.what));
        silent.chain(strange).collect()
    }

    /// Sealed, and nothing about it is strange.
    pub fn clean(&self) -> bool {
        self.sealed() && self.anomalies.is_empty()
    }

    /// Clean, and nothing befell it.
    pub fn undisturbed(&self) -> bool {
        self.clean() && self.disturbances.is_empty()
    }

    /// The time of all parts that `wanted` picks, in nanoseconds.
    pub fn sum(&self, wanted: impl Fn(&Part) -> bool) -> u64 {
        self.parts.iter().filter(|part| wanted(part)).map(|part| part.duration_ns).sum()
    }

    /// A hop's own time ([`PartKind::is_own`](crate::PartKind::is_own)), in nanoseconds; by name or role, 0 when it was not met.
    pub fn own(&self, hop: &str) -> u64 {
        self.sum(|part| (part.hop == hop || part.role == hop) && part.kind.is_own())
    }
}
