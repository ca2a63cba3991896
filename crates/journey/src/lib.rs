//! One request's journey, put together from what every program on the way saw.
//!
//! Pure: no sockets, no files, no clock. Spans and stamps go in, a [`Journey`] comes out, whose
//! parts tile the client's total. Everything here can be tested with made-up times.
//!
//! The words (*journey*, *hop*, *leg*, *flow*, *stamp*, *part*) are those of `docs/measuring.md`.

mod attribution;
mod caused;
mod compare;
mod example;
mod histogram;
mod index;
mod order;
mod part;
mod query;
pub mod semconv;
mod span;
mod stamp;
mod statistics;
mod tally;
mod tile;
mod trace;
mod verdict;

pub use attribution::{Attribution, Misattributed, Place};
pub use compare::{Change, Comparison, compare, median_interval};
pub use example::example;
pub use histogram::Histogram;
pub use index::{Index, Known, Roster};
pub use part::{Anomaly, Counts, Journey, Part, PartKind, Stage};
pub use query::View;
pub use span::{Kind, Span, Value};
pub use stamp::{Direction, Event, Flow, ParseFlowError, Quality, Stamp, Transport};
pub use statistics::{
    CountsShared, Decomposition, Decompositions, Flagged, Line, PartMean, PartSummary, Summary, lines, near,
    summarize,
};
pub use tally::{Row, Tally};
pub use tile::assemble;
pub use trace::{ParseTraceparentError, SpanId, TraceId, Traceparent};
pub use verdict::{Answer, CONFIDENCE, Quantile, Verdict};
