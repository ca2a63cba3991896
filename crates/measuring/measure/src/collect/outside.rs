//! Which requests did the lab not send? Those whose first hop has no caller in the plan, with or without a `traceparent`
//! of whoever sent them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use browser::BROWSER;
use hop::clock;
use journey::semconv::attribute;
use journey::{Index, Roster, Span, SpanId, TraceId, Value};

/// So many are remembered until somebody takes them; the newest, if nobody does.
const MOST: usize = 1_000;
/// How long a hop may take to report that it was the caller: some times as long as a program keeps its spans.
const CALLER_LIMIT: Duration = Duration::from_secs(1);

/// A request that the lab did not send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outside {
    /// The trace that it began, or that it belongs to.
    pub trace_id: TraceId,
    /// The first span that is known of it.
    pub root: SpanId,
    /// How long its first hop took to answer it, in nanoseconds.
    pub took_ns: u64,
    /// So many before it were not recorded: more came than are recorded in a second.
    pub passed_over: u64,
}

/// SERVER spans of HTTP requests, until it is known whether they are of requests from outside.
#[derive(Default)]
pub(super) struct Candidates {
    /// Not looked at yet.
    new: VecDeque<SpanId>,
    /// Their caller is not known: it may still report.
    orphans: VecDeque<(Instant, SpanId)>,
}

/// Where a request came from.
enum Origin {
    Outside(Outside),
    Inside,
    /// Its caller is not known.
    Unknown,
}

impl Candidates {
    /// A span came in of a trace that is not the lab's own.
    pub(super) fn add(&mut self, span: &Span) {
        if span.kind.is_incoming() && span.attribute(attribute::URL_PATH).is_some() {
            if self.new.len() == MOST {
                self.new.pop_front();
            }
            self.new.push_back(span.span_id);
        }
    }

    /// The next request from outside; if there is none, how long it takes until one may be due.
    pub(super) fn next(&mut self, index: &Index, roster: &Roster) -> Result<Outside, Option<Duration>> {
        let now = clock::monotonic();
        while let Some(span_id) = self.new.pop_front() {
            match origin(index, roster, span_id) {
                Origin::Outside(outside) => return Ok(outside),
                Origin::Inside => {}
                Origin::Unknown => {
                    if self.orphans.len() == MOST {
                        self.orphans.pop_front();
                    }
                    self.orphans.push_back((now, span_id));
                }
            }
        }
        while let Some((since, span_id)) = self.orphans.front().copied() {
            let waited = now.saturating_duration_since(since);
            if waited < CALLER_LIMIT {
                return Err(Some(CALLER_LIMIT - waited));
            }
            self.orphans.pop_front();
            // Whoever called it reports nothing, or is no hop.
            if let (Origin::Unknown, Some(span)) = (origin(index, roster, span_id), index.span(span_id)) {
                return Ok(outside(span, span));
            }
        }
        Err(None)
    }
}

fn origin(index: &Index, roster: &Roster, span_id: SpanId) -> Origin {
    // Forgotten meanwhile: nobody can be shown anything of it.
    let Some(span) = index.span(span_id) else { return Origin::Inside };
    let ancestors = index.ancestors(span);
    if ancestors.iter().any(|it| it.hop == BROWSER || roster.named(&it.hop).is_some()) {
        return Origin::Inside;
    }
    // Whoever sent it may report to this collector as well.
    let root = ancestors.last().copied().unwrap_or(span);
    if span.parent.is_none() || root.span_id != span.span_id || roster.is_first(&span.hop) {
        Origin::Outside(outside(root, span))
    } else {
        Origin::Unknown
    }
}

fn outside(root: &Span, first: &Span) -> Outside {
    let took_ns = first.end.saturating_sub(first.start);
    let passed_over = match first.attribute(attribute::PASSED_OVER) {
        Some(Value::Int(count)) => u64::try_from(*count).unwrap_or(0),
        _ => 0,
    };
    Outside { trace_id: root.trace_id, root: root.span_id, took_ns, passed_over }
}

#[cfg(test)]
mod tests;
