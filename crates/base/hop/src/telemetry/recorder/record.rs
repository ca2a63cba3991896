//! What a flight recorder keeps.

use journey::{Flow, Span, TraceId};

use super::ids::Ids;
use crate::metrics::Operation;

/// One exchange, or a chunk that was passed on, as a plain value that allocates
/// nothing in the usual case, and from which spans are made when somebody wants them.
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
