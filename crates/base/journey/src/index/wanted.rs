//! What is still to be asked of those who keep what they did until somebody asks.

use std::collections::HashMap;

use super::Index;
use crate::roster::{Hop, Roster};
use crate::span::{Kind, Span};
use crate::stamp::{Direction, Event, Flow, Stamp};
use crate::trace::TraceId;

/// What one hop's flight recorder may know of a journey.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Whose flight recorder it is.
    pub hop: String,
    /// What it saw of this flow; `None` for everything that it did at that time.
    pub flow: Option<Flow>,
    /// Between these moments: nanoseconds since the Unix epoch.
    pub from: u64,
    /// The later moment.
    pub to: u64,
}

impl Index {
    /// What flight recorders may know of a trace, as far as its spans tell: whoever listens where one of its flows
    /// ends, and whoever passes on to a server that it reached. What they answer may lead further, so ask again.
    pub fn wanted(&self, roster: &Roster, trace_id: TraceId) -> Vec<Wanted> {
        let spans = self.joined(trace_id);
        let of_trace = || spans.iter().filter(|span| span.trace_id == trace_id);
        let whole = (
            of_trace().map(|it| it.start).min().unwrap_or(0),
            of_trace().map(|it| it.end).max().unwrap_or(0),
        );
        let mut wanted: HashMap<(&str, Option<Flow>), (u64, u64)> = HashMap::new();
        let mut want = |hop: &'_ Hop, flow, (from, to): (u64, u64)| {
            // The roster has it for as long as it is needed here.
            let name = roster.named(&hop.name).map_or("", |hop| &hop.name);
            let times = wanted.entry((name, flow)).or_insert((from, to));
            *times = (times.0.min(from), times.1.max(to));
        };
        for span in &spans {
            // A proxy had done its part before the answer came.
            let meanwhile = if span.kind == Kind::Internal { whole } else { (self.begun(span), span.end) };
            for stamp in &span.stamps {
                let listener = roster.at(stamp.flow.server);
                if let Some(recorder) = listener.filter(|hop| hop.keeps && hop.name != span.hop) {
                    want(recorder, Some(stamp.flow), meanwhile);
                } else if let Some(opaque) = listener.filter(|hop| !hop.reports) {
                    // What an opaque program connected to, nobody knows: it is found by what passed meanwhile.
                    roster.recorders_behind(opaque).for_each(|recorder| want(recorder, None, meanwhile));
                }
                if stamp.event == Event::Wake && self.passed_by_nobody(span, stamp) {
                    roster.recorders_before(&span.hop).for_each(|it| want(it, Some(stamp.flow), whole));
                }
            }
        }
        let wanted = wanted.into_iter();
        wanted.map(|((hop, flow), (from, to))| Wanted { hop: hop.to_owned(), flow, from, to }).collect()
    }

    /// When the program of a span began with what led to it, such as a connection for it.
    fn begun(&self, span: &Span) -> u64 {
        let (mut first, mut steps) = (span, 0);
        while let Some(parent) = first.parent.and_then(|parent| self.span(parent))
            && parent.hop == span.hop
            && steps < 100
        {
            (first, steps) = (parent, steps + 1);
        }
        first.start.min(span.start)
    }

    /// A request that was read here: is nobody known who wrote it?
    fn passed_by_nobody(&self, span: &Span, read: &Stamp) -> bool {
        let called = || span.parent.and_then(|parent| self.span(parent));
        let directly = || called().is_some_and(|caller| caller.stamps.iter().any(|it| it.flow == read.flow));
        let arrives = span.kind.is_incoming() || span.kind == Kind::Internal;
        arrives && read.direction == Direction::Request && self.relay_to(read).is_none() && !directly()
    }
}
