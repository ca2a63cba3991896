//! All spans that belong to one request, in no order.
//!
//! [`assemble`](crate::assemble) follows the same joins in the order of time. Here time counts for nothing: a
//! comparison of clocks must not need them to find the spans.

use std::collections::HashSet;

use super::Index;
use crate::span::Span;
use crate::stamp::{Direction, Event};
use crate::trace::{SpanId, TraceId};

/// As [`assemble`](crate::assemble): a circle with branches would be walked for ever.
const MOST: usize = 20_000;

impl Index {
    /// The spans of a trace, and those that are joined to them by flow and offset: of layer-4 proxies, name
    /// servers, databases, brokers.
    pub fn joined(&self, trace_id: TraceId) -> Vec<&Span> {
        let mut found: Vec<&Span> = self.with_trace(trace_id).collect();
        let mut known: HashSet<SpanId> = found.iter().map(|span| span.span_id).collect();
        let mut next = 0;
        while let Some(&span) = found.get(next).filter(|_| next < MOST) {
            next += 1;
            let children = self.children(span.span_id);
            let joined = span.stamps.iter().flat_map(|stamp| match (stamp.event, stamp.direction) {
                (Event::Tx, direction) => {
                    let server = (direction == Direction::Request && !span.kind.is_incoming())
                        .then(|| self.server_of(stamp))
                        .flatten();
                    [server, self.relay_from(stamp).map(|relayed| relayed.span)]
                }
                (Event::Rx | Event::Accept | Event::Wake, _) => {
                    [self.relay_to(stamp).map(|relayed| relayed.span), None]
                }
            });
            for span in children.chain(joined.flatten()) {
                if known.insert(span.span_id) {
                    found.push(span);
                }
            }
        }
        found
    }
}
