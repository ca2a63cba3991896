//! What caused what: parents, and links.

use std::collections::HashSet;

use super::Index;
use crate::span::{Kind, Span};
use crate::trace::{SpanId, TraceId};

/// So many traces are followed from one to the next.
const MOST: usize = 100;

impl Index {
    /// The spans that a span caused, those of INTERNAL ones among them included; of those that do not count, none. No
    /// CONSUMER's: a message is handled when its turn comes, and whoever sent it does not wait for that.
    pub(crate) fn descendants(&self, ancestor: &Span, counts: impl Fn(&Span) -> bool) -> Vec<&Span> {
        let mut found: Vec<&Span> = Vec::new();
        let mut parents = vec![ancestor.span_id];
        let mut seen = HashSet::from([ancestor.span_id]);
        while let Some(parent) = parents.pop() {
            for child in self.children(parent).filter(|it| it.kind != Kind::Consumer && counts(it)) {
                if seen.insert(child.span_id) {
                    found.push(child);
                    parents.extend((child.kind == Kind::Internal).then_some(child.span_id));
                }
            }
        }
        found
    }

    /// The spans that caused a span, as far as they are known: its parent first.
    pub fn ancestors<'a>(&'a self, span: &'a Span) -> Vec<&'a Span> {
        let mut found: Vec<&Span> = Vec::new();
        let mut at = span;
        while let Some(parent) = at.parent.and_then(|parent| self.span(parent)) {
            if parent.span_id == span.span_id || found.iter().any(|it| it.span_id == parent.span_id) {
                break;
            }
            found.push(parent);
            at = parent;
        }
        found
    }

    /// The spans of other traces that link to one of this trace.
    pub(crate) fn linked(&self, trace_id: TraceId) -> impl Iterator<Item = &Span> {
        let linked = self.linked.get(&trace_id).into_iter().flatten().map(|at| &self.spans[at]);
        linked.filter(move |span| span.trace_id != trace_id)
    }

    /// The traces of what was done because of a trace, by links and links of what they led to.
    pub fn traces_after(&self, trace_id: TraceId) -> Vec<TraceId> {
        let mut found = vec![trace_id];
        let mut next = 0;
        while let Some(&trace_id) = found.get(next).filter(|_| next < MOST) {
            next += 1;
            for span in self.linked(trace_id) {
                if !found.contains(&span.trace_id) {
                    found.push(span.trace_id);
                }
            }
        }
        found.split_off(1)
    }

    /// Did one span cause another, however far? What is not known, or is joined to its trace by bytes alone, was caused by
    /// the trace's root.
    pub(crate) fn caused(&self, cause: &Span, (trace_id, span_id): (TraceId, SpanId)) -> bool {
        let is_root = || self.root(trace_id).is_some_and(|root| root.span_id == cause.span_id);
        let Some(span) = self.span(span_id) else { return is_root() };
        let mut chain = self.ancestors(span);
        chain.insert(0, span);
        let joined = chain.last().is_some_and(|first| first.trace_id != trace_id);
        chain.iter().any(|it| it.span_id == cause.span_id) || (joined && is_root())
    }
}
