//! What was done because of a request, and that nobody on its way waited for: work after the response, batches that link
//! to it, messages that others handle. Each is put together like a journey, beside it.

use std::collections::HashSet;

use super::{Nested, Tiler};
use crate::index::Index;
use crate::journey::After;
use crate::roster::Roster;
use crate::semconv::attribute;
use crate::span::{Kind, Span};

/// So many belong to one journey.
const MOST: usize = 100;

impl Tiler<'_> {
    /// What was done because of the request of `root`, in the order of time.
    pub(super) fn after(&self, root: &Span) -> Vec<After> {
        after(self.index, self.roster, root)
    }

    /// How much was announced of which nothing is known that came to a good end.
    pub(super) fn outstanding(&self, root: &Span) -> u32 {
        outstanding(self.index, root)
    }
}

fn after(index: &Index, roster: &Roster, root: &Span) -> Vec<After> {
    let mut causes = vec![root];
    let mut seen = HashSet::from([root.span_id]);
    let mut next = 0;
    while let Some(&cause) = causes.get(next).filter(|_| next < MOST) {
        next += 1;
        causes.extend(caused_by(index, cause).into_iter().filter(|span| seen.insert(span.span_id)));
    }
    let mut after: Vec<After> =
        causes[1..].iter().map(|span| put_together(index, roster, root, span)).collect();
    after.sort_by_key(|after| (after.start_ns, after.duration_ns));
    after
}

fn outstanding(index: &Index, root: &Span) -> u32 {
    let announced = index.with_trace(root.trace_id).filter_map(|span| {
        let announced: u32 = span.whole(attribute::DEFERRED)?;
        index.caused(root, (span.trace_id, span.span_id)).then_some((span, announced))
    });
    let left = announced.map(|(span, announced)| {
        let succeeded = |done: &&Span| done.attribute(attribute::ERROR_TYPE).is_none();
        // One batch may hold several things that a request left to be done: a link for each.
        let links = index.linked(span.trace_id).filter(succeeded).flat_map(|done| &done.links);
        let done = links.filter(|link| link.span_id == span.span_id).count();
        announced.saturating_sub(u32::try_from(done).unwrap_or(u32::MAX))
    });
    left.fold(0, u32::saturating_add)
}

/// The spans with which something began because of `cause`: those that link to it or to what it caused, and in its own
/// trace those that handle a message, or that a program began when it was over.
fn caused_by<'a>(index: &'a Index, cause: &'a Span) -> Vec<&'a Span> {
    let trace_id = cause.trace_id;
    let linked = index.linked(trace_id).filter(|span| {
        let mut links = span.links.iter().filter(|link| link.trace_id == trace_id);
        links.any(|link| index.caused(cause, (link.trace_id, link.span_id)))
    });
    let is_apart = |span: &Span| {
        let late = span.start >= cause.latest_end() && span.kind != Kind::Server;
        span.span_id != cause.span_id && (late || span.kind == Kind::Consumer)
    };
    let late = index.with_trace(trace_id).filter(|span| {
        // What is inside something that began when all was over belongs to that.
        let within = |it: &Span| {
            let between = index.ancestors(it).into_iter().take_while(|it| it.span_id != cause.span_id);
            between.into_iter().any(&is_apart)
        };
        is_apart(span) && index.caused(cause, (trace_id, span.span_id)) && !within(span)
    });
    linked.chain(late).collect()
}

fn put_together(index: &Index, roster: &Roster, root: &Span, span: &Span) -> After {
    let mut tiler = Tiler::new(index, roster, span.start, span.latest_end());
    if span.kind.is_incoming() {
        tiler.visited(span);
        tiler.server(span, &[], span.end);
    } else {
        let inside = if span.kind == Kind::Internal { tiler.nested(span, &[]) } else { Vec::new() };
        tiler.child(&Nested { span, start: span.start, inside }, &span.hop, span.end);
    }
    let requests: HashSet<_> = span.links.iter().map(|link| (link.trace_id, link.span_id)).collect();
    let since = i128::from(span.start) - i128::from(root.start);
    After {
        trace_id: span.trace_id,
        hop: span.hop.to_string(),
        role: roster.role(&span.hop).to_owned(),
        name: span.name.to_string(),
        start_ns: i64::try_from(since).unwrap_or(i64::MAX),
        duration_ns: span.end.saturating_sub(span.start),
        requests: u32::try_from(requests.len()).unwrap_or(u32::MAX).max(1),
        error: span.text(attribute::ERROR_TYPE).map(str::to_owned),
        parts: tiler.parts,
        silent: tiler.silent,
        anomalies: tiler.anomalies,
    }
}
