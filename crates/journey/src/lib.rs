//! One request's journey, put together from what every program on the way saw.
//!
//! Pure: no sockets, no files, no clock. Spans and stamps go in, a [`Journey`] comes out, whose
//! parts tile the client's total. Everything here can be tested with made-up times.
//!
//! The words (*journey*, *hop*, *leg*, *flow*, *stamp*, *part*) are those of `docs/measuring.md`.

mod span;
mod stamp;

pub use span::{Kind, ParseTraceparentError, Span, SpanId, TraceId, Traceparent, Value};
pub use stamp::{Direction, Event, Flow, ParseFlowError, Quality, Stamp, Transport};
