//! What a flight recorder keeps.

use journey::{Flow, Span, TraceId};

use super::ids::Ids;
use crate::metrics::{Operation, operation_of};

/// One exchange, or a chunk that was passed on, as a plain value, from which spans are made when somebody wants them.
pub trait Record: Send + 'static {
    /// When it began and ended: nanoseconds since the Unix epoch.
    fn times(&self) -> (u64, u64);

    /// Between which sockets it took place; a layer-4 proxy's has two flows.
    fn flows(&self) -> [Option<Flow>; 2];

    /// What was done, for the metrics: `None` for what is only a part of something else.
    fn operation(&self) -> Option<(Operation, &str)>;

    /// The trace that it belongs to, if it knows one: whoever asks for one of its records gets all of them.
    fn trace(&self) -> Option<TraceId> {
        None
    }

    /// Its spans, named by `ids`: the same ones each time.
    fn spans(&self, ids: Ids) -> Vec<Span>;
}

/// A span that is there already is its own record.
impl Record for Span {
    fn times(&self) -> (u64, u64) {
        (self.start, self.end)
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        let first = self.stamps.first().map(|stamp| stamp.flow);
        [first, self.stamps.last().map(|stamp| stamp.flow).filter(|last| first != Some(*last))]
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        operation_of(self)
    }

    fn trace(&self) -> Option<TraceId> {
        Some(self.trace_id)
    }

    fn spans(&self, _: Ids) -> Vec<Span> {
        vec![self.clone()]
    }
}
