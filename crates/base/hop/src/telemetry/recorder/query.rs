//! What a collector asks a flight recorder: which flows, at which times.

use std::collections::{HashMap, HashSet};

use hyper::header::HeaderName;
use journey::{Flow, TraceId};

use super::record::Record;

/// Where a program with a flight recorder is asked: `POST /exchanges` at its admin address.
///
/// The body has a line for each question: two moments (nanoseconds since the Unix epoch) and a flow, or `*` for
/// everything: `1767225600000000000 1767225600004000000 tcp 127.0.0.1:40000>127.96.50.100:80`. The response is an
/// `ExportTraceServiceRequest`.
pub const PATH: &str = "/exchanges";

/// A header of the response: what ended after this moment (nanoseconds since the Unix epoch) is all there.
pub const KEPT_SINCE: HeaderName = HeaderName::from_static("kept-since");

/// A request to a flight recorder: flows and moments.
#[derive(Default)]
pub struct Query {
    flows: HashMap<Flow, Vec<(u64, u64)>>,
    /// Whatever the flow.
    times: Vec<(u64, u64)>,
}

impl Query {
    /// Reads a request's body; the error says which line is wrong.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut query = Query::default();
        for line in String::from_utf8_lossy(body).lines() {
            let words = || {
                let mut words = line.splitn(3, ' ');
                let (from, to) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                Some(((from, to), words.next()?))
            };
            match words() {
                Some((times, "*")) => query.times.push(times),
                Some((times, flow)) => {
                    let flow = flow.parse::<Flow>().map_err(|error| error.to_string())?;
                    query.flows.entry(flow).or_default().push(times);
                }
                None => return Err(format!("{line:?} is not FROM TO FLOW, or FROM TO *")),
            }
        }
        Ok(query)
    }

    /// One question as a line of a request's body.
    pub fn line((from, to): (u64, u64), flow: Option<Flow>) -> String {
        flow.map_or_else(|| format!("{from} {to} *\n"), |flow| format!("{from} {to} {flow}\n"))
    }

    pub(super) fn earliest(&self) -> u64 {
        let all = self.flows.values().flatten().chain(&self.times);
        all.map(|(from, _)| *from).min().unwrap_or(u64::MAX)
    }

    pub(super) fn wants(&self, record: &impl Record) -> bool {
        let (start, end) = record.times();
        let at = |times: &[(u64, u64)]| times.iter().any(|(from, to)| start <= *to && end >= *from);
        at(&self.times)
            || record.flows().into_iter().flatten().any(|flow| self.flows.get(&flow).is_some_and(|it| at(it)))
    }

    /// The traces of those records that are asked for.
    pub(super) fn traces<'a, R: Record>(&self, records: impl Iterator<Item = &'a R>) -> HashSet<TraceId> {
        records.filter_map(|record| record.trace().filter(|_| self.wants(record))).collect()
    }
}
