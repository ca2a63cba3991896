//! Trace events in JSON, for ui.perfetto.dev and `chrome://tracing`.
//!
//! Every hop is a process of the trace with two threads: *program*, in which it worked or waited, and
//! *arriving*, the legs that led to it; with *after the response* when it did what no response waited for. The browser has two more: the journeys as a whole, and the lines of the
//! chapter's budget. Arrows lead along the legs. Time 0 is the first journey's start.
//!
//! Source of the rules: "Trace Event Format", sections *JSON Object Format*, *Complete Events*, *Flow
//! Events*, *Metadata Events*.

use std::collections::{HashMap, HashSet};

use journey::{After, Journey, Part, PartKind, TraceId};
use measure::Measured;
use serde_json::{Value, json};

use super::selection::kinds;
use measure::browser::BROWSER;

/// Threads of every process.
const PROGRAM: u32 = 1;
const ARRIVING: u32 = 2;
/// Threads of the browser's alone: whole journeys, and their stages. These are not put inside each other,
/// because the total is by another clock than the parts and may end some nanoseconds before the last one:
/// Perfetto throws an event away that ends after the one around it.
const JOURNEYS: u32 = 3;
const STAGES: u32 = 4;
/// A thread of those who did what no response waited for: they may work for other requests meanwhile.
const AFTER: u32 = 5;

/// The measurement as trace events.
pub fn write(measured: &Measured) -> Value {
    let start = measured.journeys().map(|journey| journey.start_unix_ns).min().unwrap_or_default();
    let mut trace = Trace { start, ..Trace::default() };
    trace.process(BROWSER);
    trace.thread(1, JOURNEYS, "journeys");
    trace.thread(1, STAGES, "stages");
    for hop in &measured.hops {
        trace.process(&hop.name);
    }
    for (kind, series) in kinds(measured) {
        for journey in &series.journeys {
            trace.journey(kind, journey);
        }
    }
    json!({
        "displayTimeUnit": "ns",
        "otherData": {
            "creator": "request-journey-lab",
            "build": measured.build,
            "network": measured.network,
            "start_unix_ns": start.to_string(),
        },
        "traceEvents": trace.events,
    })
}

#[derive(Default)]
struct Trace {
    events: Vec<Value>,
    /// Every hop's process in this trace: 1, 2, ….
    processes: HashMap<String, usize>,
    /// The first journey's start, in nanoseconds since the Unix epoch.
    start: u64,
    flows: u64,
    /// What no response waited for, as far as it is here.
    done: HashSet<(TraceId, String, u64)>,
    after_threads: HashSet<usize>,
}

impl Trace {
    /// A hop's process. One that no plan names (an opaque program's address) gets one when it is met.
    fn process(&mut self, hop: &str) -> usize {
        if let Some(pid) = self.processes.get(hop) {
            return *pid;
        }
        let pid = self.processes.len() + 1;
        self.processes.insert(hop.to_owned(), pid);
        self.events.push(metadata(pid, 0, "process_name", json!({ "name": hop })));
        self.events.push(metadata(pid, 0, "process_sort_index", json!({ "sort_index": pid })));
        self.thread(pid, PROGRAM, "program");
        self.thread(pid, ARRIVING, "arriving");
        pid
    }

    fn thread(&mut self, pid: usize, tid: u32, name: &str) {
        self.events.push(metadata(pid, tid, "thread_name", json!({ "name": name })));
    }

    fn journey(&mut self, kind: &str, journey: &Journey) {
        let from = journey.start_unix_ns.saturating_sub(self.start);
        let args = json!({
            "trace_id": journey.trace_id, "status": journey.status, "counts": journey.counts,
            "unaccounted_ns": journey.unaccounted_ns, "silent": journey.silent, "anomalies": journey.anomalies,
        });
        let title = format!("{} {kind}", journey.name);
        let browser = self.process(BROWSER);
        self.complete((browser, JOURNEYS), "journey", &title, (from, journey.total_ns), args);
        for run in journey.parts.chunk_by(|one, next| one.stage == next.stage) {
            let (first, last) = (&run[0], &run[run.len() - 1]);
            let width = (last.start_ns + last.duration_ns).saturating_sub(first.start_ns);
            let times = (from + first.start_ns, width);
            self.complete((browser, STAGES), "stage", first.stage.title(), times, json!({}));
        }
        let mut before: Option<&Part> = None;
        for part in &journey.parts {
            self.part(from, part, journey);
            // An arrow from whoever sent the bytes into the leg that carries them.
            if let Some(sender) = before.filter(|_| part.kind == PartKind::Leg) {
                self.arrow(from, sender, part);
            }
            before = Some(part);
        }
        for after in &journey.after {
            self.after(journey, after);
        }
    }

    /// What was done for several requests is there once.
    fn after(&mut self, journey: &Journey, after: &After) {
        let start = journey.start_unix_ns.saturating_add_signed(after.start_ns);
        if !self.done.insert((after.trace_id, after.name.clone(), start)) {
            return;
        }
        let from = start.saturating_sub(self.start);
        let args = json!({
            "trace_id": after.trace_id, "requests": after.requests, "error": after.error,
            "silent": after.silent, "anomalies": after.anomalies,
        });
        let pid = self.process(&after.hop);
        if self.after_threads.insert(pid) {
            self.thread(pid, AFTER, "after the response");
        }
        // All of it in one place: others may do such things for somebody else at the same time.
        let place = (pid, AFTER);
        self.complete(place, "after", &after.name, (from, after.duration_ns), args);
        for part in &after.parts {
            let what = if part.name.is_empty() { part.kind.as_str() } else { &part.name };
            let name = if part.hop == after.hop { what.to_owned() } else { format!("{}: {what}", part.hop) };
            let args = json!({
                "role": part.role, "kind": part.kind, "quality": part.quality, "trace_id": after.trace_id,
            });
            // The categories of parts are the journeys': who sums one up finds no more than that.
            self.complete(place, "after", &name, (from + part.start_ns, part.duration_ns), args);
        }
    }

    fn part(&mut self, from: u64, part: &Part, journey: &Journey) {
        let name = if part.name.is_empty() { part.kind.as_str() } else { &part.name };
        let args = json!({
            "role": part.role, "stage": part.stage, "quality": part.quality, "depth": part.depth,
            "trace_id": journey.trace_id,
        });
        let place = self.place(part);
        self.complete(place, part.kind.as_str(), name, (from + part.start_ns, part.duration_ns), args);
    }

    fn place(&mut self, part: &Part) -> (usize, u32) {
        (self.process(&part.hop), if part.kind == PartKind::Leg { ARRIVING } else { PROGRAM })
    }

    fn complete(&mut self, place: (usize, u32), category: &str, name: &str, times: (u64, u64), args: Value) {
        self.events.push(json!({
            "ph": "X", "cat": category, "name": name, "pid": place.0, "tid": place.1,
            "ts": micros(times.0), "dur": micros(times.1), "args": args,
        }));
    }

    /// Both ends bind to the event that encloses them on their thread: each stands at its event's start.
    fn arrow(&mut self, from: u64, sender: &Part, leg: &Part) {
        self.flows += 1;
        let (sends, arrives) = (self.place(sender), self.place(leg));
        for (phase, part, (pid, tid)) in [("s", sender, sends), ("f", leg, arrives)] {
            let mut event = json!({
                "ph": phase, "cat": "leg", "name": "bytes", "id": self.flows, "pid": pid, "tid": tid,
                "ts": micros(from + part.start_ns),
            });
            if phase == "f" {
                event["bp"] = "e".into();
            }
            self.events.push(event);
        }
    }
}

fn metadata(pid: usize, tid: u32, name: &str, args: Value) -> Value {
    json!({ "ph": "M", "name": name, "pid": pid, "tid": tid, "args": args })
}

/// The format counts in microseconds; three digits behind the point are nanoseconds.
fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

#[cfg(test)]
mod tests;
