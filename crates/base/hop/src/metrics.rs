//! What a hop counts and times, for Prometheus.
//!
//! HTTP requests are counted one by one, whether they are recorded or not. What other hops do (a DNS question,
//! a batch of commands, a chunk that is passed on) is timed from the span that reports it, as OpenTelemetry's
//! *span metrics connector* does: those hops report everything that they do, so no hop needs code of its own
//! for this, and a hop without a collector has no such figures.
//!
//! Each bucket remembers the trace of the last request that fell into it, an *exemplar* (OpenMetrics 1.0,
//! "Exemplars"): from a slow bucket one click leads to a slow journey. Only the OpenMetrics format has room
//! for them, so the older one has none.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use hyper::StatusCode;
use journey::semconv::{attribute, name};
use journey::{Kind, Span, TraceId};
use parking_lot::{Mutex, MutexGuard};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Bucket bounds in seconds: loopback hops live between 20 µs and some milliseconds.
const BUCKETS: [f64; 12] =
    [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5];
/// So many operations have a histogram of their own; more share one. Clients choose what they request.
const OPERATIONS: usize = 32;
/// OpenTelemetry's word for what has no name of its own.
const OTHER: &str = "_OTHER";

/// The format with exemplars.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The format that everybody reads.
pub(crate) const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whose request fell into a bucket last.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Exemplar {
    trace_id: Hex,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq)]
struct Hex(TraceId);

impl EncodeLabelValue for Hex {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        write!(encoder, "{}", self.0)
    }
}

/// The labels of the request metrics, under OpenTelemetry's names in Prometheus spelling.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    /// `http.response.status_code`.
    http_response_status_code: u16,
}

/// What was done: a DNS type, a command, the name of a Kafka request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OperationLabels {
    operation: String,
}

type Times = HistogramWithExemplars<Exemplar>;
type TimesByOperation = Family<OperationLabels, Times, fn() -> Times>;

fn times() -> Times {
    HistogramWithExemplars::new(BUCKETS.into_iter())
}

fn exemplar(trace: Option<TraceId>) -> Option<Exemplar> {
    trace.map(|trace| Exemplar { trace_id: Hex(trace) })
}

/// What hops do that see no trace context, as their metrics name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A DNS query was answered.
    Query,
    /// A batch of commands was executed.
    Commands,
    /// A request to a broker was answered.
    Message,
    /// A layer-4 proxy made a connection.
    Connect,
    /// A layer-4 proxy passed a chunk on.
    Relay,
}

/// What HTTP requests are measured by.
struct Http {
    requests: Family<RequestLabels, Counter>,
    duration: Times,
    active: Gauge<i64, AtomicI64>,
}

/// A hop's metrics; each appears with the first thing that it counts.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    http: OnceLock<Http>,
    timed: [OnceLock<Timed>; DONE.len()],
}

/// One of [`DONE`], once it was done.
struct Timed {
    times: TimesByOperation,
    /// Those with a histogram of their own.
    known: Mutex<HashMap<String, Times>>,
}

/// What hops that do not speak HTTP do: the attribute that tells such a span, the one that names the operation,
/// the metric, and its help; in the order of [`Operation`].
const DONE: [(&str, &str, &str, &str); 5] = [
    (
        attribute::DNS_QUESTION_NAME,
        attribute::DNS_QUESTION_TYPE,
        "dns_server_request_duration_seconds",
        "From the question read to the answer handed over",
    ),
    (
        attribute::DB_SYSTEM_NAME,
        attribute::DB_OPERATION_NAME,
        "db_server_operation_duration_seconds",
        "From a batch's last byte read to its last reply written",
    ),
    (
        attribute::MESSAGING_SYSTEM,
        attribute::MESSAGING_OPERATION_NAME,
        "messaging_server_operation_duration_seconds",
        "From a request's last byte read to its answer's last byte written",
    ),
    (
        attribute::FLOW_IN,
        "",
        "tcp_proxy_connect_duration_seconds",
        "From a client accepted to its endpoint reached",
    ),
    ("", "", "tcp_proxy_relay_duration_seconds", "From a chunk read to the same chunk passed on"),
];

impl Metrics {
    pub(crate) fn new(hop: &str) -> Self {
        let labels = vec![("hop".into(), hop.to_owned().into())];
        Metrics {
            registry: Mutex::new(Registry::with_labels(labels.into_iter())),
            http: OnceLock::new(),
            timed: Default::default(),
        }
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock()
    }

    fn http(&self) -> &Http {
        self.http.get_or_init(|| {
            let http = Http { requests: Family::default(), duration: times(), active: Gauge::default() };
            let mut registry = self.registry();
            registry.register("http_server_requests", "Requests answered", http.requests.clone());
            registry.register(
                "http_server_request_duration_seconds",
                "From the request's head read to the response's head ready",
                http.duration.clone(),
            );
            let active = http.active.clone();
            registry.register("http_server_active_requests", "Requests being answered now", active);
            http
        })
    }

    pub(crate) fn request_began(&self) {
        self.http().active.inc();
    }

    /// `trace` is the request's, if it is recorded: only then is there a journey to look at.
    pub(crate) fn request_ended(&self, status: StatusCode, took: Duration, trace: Option<TraceId>) {
        let http = self.http();
        http.active.dec();
        http.duration.observe(took.as_secs_f64(), exemplar(trace), None);
        http.requests.get_or_create(&RequestLabels { http_response_status_code: status.as_u16() }).inc();
    }

    /// Times what a span reports, if it is one of [`DONE`].
    pub(crate) fn span(&self, span: &Span) {
        if let Some((operation, name)) = operation_of(span) {
            self.done(operation, name, span.end.saturating_sub(span.start), span.trace_id);
        }
    }

    /// Times what was done, in nanoseconds.
    pub(crate) fn done(&self, operation: Operation, name: &str, took_ns: u64, trace: TraceId) {
        let (.., metric, help) = DONE[operation as usize];
        let timed = self.timed[operation as usize].get_or_init(|| {
            let times: TimesByOperation = Family::new_with_constructor(times);
            self.registry().register(metric, help, times.clone());
            Timed { times, known: Mutex::default() }
        });
        timed.of(name).observe(took_ns as f64 / 1e9, exemplar(Some(trace)), None);
    }

    /// Everything, with exemplars or without.
    pub(crate) fn text(&self, open: bool) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        encode(&mut out, &self.registry())?;
        Ok(if open { out } else { plain(&out) })
    }
}

impl Timed {
    /// An operation's own histogram, or the one of all others.
    fn of(&self, name: &str) -> Times {
        let mut known = self.known.lock();
        if let Some(times) = known.get(name) {
            return times.clone();
        }
        let name = if known.len() < OPERATIONS { name } else { OTHER };
        let times = self.times.get_or_create(&OperationLabels { operation: name.to_owned() }).clone();
        if name != OTHER {
            known.insert(name.to_owned(), times.clone());
        }
        times
    }
}

/// What a span tells of, if it is one of [`DONE`], and under which name.
pub(crate) fn operation_of(span: &Span) -> Option<(Operation, &str)> {
    const OF_SERVERS: [Operation; 3] = [Operation::Query, Operation::Commands, Operation::Message];
    let operation = match span.kind {
        Kind::Server => OF_SERVERS.into_iter().find(|it| span.attribute(DONE[*it as usize].0).is_some())?,
        Kind::Internal if span.parent.is_none() && span.name == name::RELAY => Operation::Relay,
        Kind::Internal if span.parent.is_none() => {
            span.attribute(attribute::FLOW_IN).map(|_| Operation::Connect)?
        }
        _ => return None,
    };
    Some((operation, span.text(DONE[operation as usize].1).unwrap_or(&span.name)))
}

/// OpenMetrics as the older text format 0.0.4: no exemplars, no end mark, and a counter's name has its
/// `_total` in its description, too.
fn plain(open: &str) -> String {
    let counters: HashSet<&str> =
        open.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(open.len());
    for line in open.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let mut words = line.splitn(4, ' ');
        let line = match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                format!("# {what} {name}_total {rest}")
            }
            (Some("#"), ..) => line.to_owned(),
            _ => line.split(" # {").next().unwrap_or(line).to_owned(),
        };
        out.push_str(&line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
