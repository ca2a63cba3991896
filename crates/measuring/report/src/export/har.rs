//! HTTP Archive 1.2: what the browser saw of every journey, for the network panel of developer tools.
//!
//! One entry per journey, one page for the cold ones and one for the warm ones. What the lab does not
//! record (headers, bodies) is empty or -1, as the format demands. What the format has no place for has a name
//! that begins with `_`: the journey's parts, its counts and its trace.
//!
//! Source of the rules: HTTP Archive 1.2, W3C Web Performance Working Group, "entries" and "timings".

use journey::{Journey, Stage};
use measure::Measured;
use serde_json::{Map, Value, json};

use super::selection::{kinds, origin};
use crate::utc::rfc3339;

/// What stands for a size or a time that is not known or does not apply.
const UNKNOWN: i64 = -1;
/// The lab's browser speaks nothing else.
const VERSION: &str = "HTTP/2.0";

/// The measurement as an HTTP Archive.
pub fn write(measured: &Measured) -> Value {
    let mut pages = Vec::new();
    let mut entries = Vec::new();
    for (kind, series) in kinds(measured) {
        if let Some(first) = series.journeys.first() {
            pages.push(page(kind, first));
        }
        entries.extend(series.journeys.iter().map(|journey| entry(measured, kind, journey)));
    }
    json!({ "log": {
        "version": "1.2",
        "creator": { "name": "request-journey-lab", "version": env!("CARGO_PKG_VERSION") },
        "browser": { "name": "the lab's browser", "version": env!("CARGO_PKG_VERSION") },
        "pages": pages,
        "entries": entries,
        "comment": format!("{} build, measured on {}", measured.build, measured.network),
    }})
}

fn page(kind: &str, first: &Journey) -> Value {
    json!({
        "startedDateTime": rfc3339(first.start_unix_ns),
        "id": kind,
        "title": format!("{}, {kind}", first.name),
        "pageTimings": { "onContentLoad": UNKNOWN, "onLoad": UNKNOWN },
    })
}

fn entry(measured: &Measured, kind: &str, journey: &Journey) -> Value {
    let (method, path) = journey.name.split_once(' ').unwrap_or(("GET", &journey.name));
    let status = journey.status.unwrap_or(0);
    let reason = hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let times = Times::of(journey);
    let mut entry = json!({
        "pageref": kind,
        "startedDateTime": rfc3339(journey.start_unix_ns),
        "time": milliseconds(times.sum()),
        "request": {
            "method": method,
            "url": format!("{}{path}", origin(measured)),
            "httpVersion": VERSION,
            "cookies": [], "headers": [], "queryString": [],
            "headersSize": UNKNOWN,
            "bodySize": UNKNOWN,
        },
        "response": {
            "status": status,
            "statusText": reason.unwrap_or_default(),
            "httpVersion": VERSION,
            "cookies": [], "headers": [],
            "content": { "size": UNKNOWN, "mimeType": "x-unknown" },
            "redirectURL": "",
            "headersSize": UNKNOWN,
            "bodySize": UNKNOWN,
            // Developer tools show this as the size: all bytes on the browser's connection, TLS included.
            "_transferSize": journey.counts.response_bytes.map_or(json!(UNKNOWN), Into::into),
        },
        "cache": {},
        "timings": times.value(),
        "_kind": kind,
        "_traceId": journey.trace_id,
        "_totalNs": journey.total_ns,
        "_unaccountedNs": journey.unaccounted_ns,
        "_counts": journey.counts,
        "_parts": journey.parts,
        "_silent": journey.silent,
        "_anomalies": journey.anomalies,
        "_after": journey.after,
        "_outstanding": journey.outstanding,
    });
    if let (Some(address), Value::Object(entry)) = (server(measured, journey), &mut entry) {
        entry.insert("serverIPAddress".to_owned(), address.into());
    }
    entry
}

/// The address of the program that the browser sent its request to.
fn server(measured: &Measured, journey: &Journey) -> Option<String> {
    let first = journey.parts.iter().find(|part| part.stage == Stage::ToLoadBalancer && part.depth == 1)?;
    let hop = measured.hops.iter().find(|hop| hop.name == first.hop)?;
    hop.listen.first().map(|address| address.ip().to_string())
}

/// A journey as the format divides it, in nanoseconds. `None`: there was no such step, because the name or
/// the connection was there already.
struct Times {
    blocked: u64,
    dns: Option<u64>,
    tcp: Option<u64>,
    tls: Option<u64>,
    send: u64,
    wait: u64,
    receive: u64,
}

impl Times {
    fn of(journey: &Journey) -> Times {
        let spent = |stage| journey.sum(|part| part.stage == stage);
        let step = |stage| Some(spent(stage)).filter(|ns| *ns > 0);
        let at_the_browser = |part: &journey::Part| part.stage == Stage::Response && part.hop == "browser";
        let receive = journey.sum(at_the_browser);
        let times = Times {
            // What the browser does before it can send, and what nobody accounts for: the format has
            // no other place for it.
            blocked: spent(Stage::Browser) + u64::try_from(journey.unaccounted_ns).unwrap_or_default(),
            dns: step(Stage::Dns),
            tcp: step(Stage::Tcp),
            tls: step(Stage::Tls),
            send: spent(Stage::ToLoadBalancer),
            wait: spent(Stage::ToPod)
                + spent(Stage::Application)
                + spent(Stage::Response).saturating_sub(receive),
            receive,
        };
        debug_assert!(journey.unaccounted_ns < 0 || times.sum() == journey.total_ns, "parts tile a journey");
        times
    }

    /// The format's `connect` includes its `ssl`.
    fn connect(&self) -> Option<u64> {
        (self.tcp.is_some() || self.tls.is_some())
            .then(|| self.tcp.unwrap_or_default() + self.tls.unwrap_or_default())
    }

    /// An entry's `time` must be the sum of its timings, those of -1 and `ssl` left out.
    fn sum(&self) -> u64 {
        let connect = self.connect().unwrap_or_default();
        self.blocked + self.dns.unwrap_or_default() + connect + self.send + self.wait + self.receive
    }

    fn value(&self) -> Value {
        let known = |ns: Option<u64>| ns.map_or(json!(UNKNOWN), |ns| json!(milliseconds(ns)));
        let mut value = Map::new();
        for (name, time) in [
            ("blocked", Some(self.blocked)),
            ("dns", self.dns),
            ("connect", self.connect()),
            ("ssl", self.tls),
            ("send", Some(self.send)),
            ("wait", Some(self.wait)),
            ("receive", Some(self.receive)),
        ] {
            value.insert(name.to_owned(), known(time));
        }
        Value::Object(value)
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests;
