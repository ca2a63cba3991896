//! One request's journey, put together from what every program on the way saw.
//!
//! Pure: no sockets, no files, no clock. Spans and stamps go in, a [`Journey`] comes out, whose parts tile the
//! client's total. It knows no stack: which programs there are, and where the stages begin, says the [`Roster`].
//!
//! Read first (15 minutes): `semconv.rs` and its modules (the names that programs write), `part.rs`, `journey.rs` (the result),
//! `tile.rs` (how the one becomes the other; its head has the steps).
//!
//! The words (*journey*, *hop*, *leg*, *flow*, *stamp*, *part*) are those of `docs/glossary.md`.

#![warn(missing_docs)]

mod attribution;
mod compare;
mod example;
mod histogram;
mod index;
mod journey;
mod order_statistics;
mod part;
mod percentile;
mod query;
mod roster;
mod runs;
pub mod semconv;
mod span;
mod stamp;
mod summary;
mod table;
mod tally;
mod tile;
mod trace;
mod verdict;

pub use attribution::{Attribution, Misattributed, PartKey};
pub use compare::{Change, Comparison, compare, median_interval};
pub use example::example;
pub use histogram::Histogram;
pub use index::{Arrived, Index, Wanted};
pub use journey::{After, Journey};
pub use order_statistics::CONFIDENCE;
pub use part::{Anomaly, Counts, Part, PartKind, Stage};
pub use percentile::{Percentiles, carries, near, needed};
pub use query::View;
pub use roster::{Hop, Roster};
pub use runs::{Design, compare_runs, median_of_runs, pairs_needed};
pub use span::{Kind, Link, Span, Value};
pub use stamp::{Direction, Event, Flow, ParseFlowError, Quality, Stamp, Transport};
pub use summary::{
    CountsShared, Decomposition, Decompositions, Flagged, PartMean, PartSummary, Row, Summary,
};
pub use table::{Line, lines};
pub use tally::{Tally, summarize};
pub use tile::{assemble, assemble_from};
pub use trace::{ParseTraceparentError, SpanId, TraceId, Traceparent};
pub use verdict::{Conclusion, Quantile, Verdict};
