//! From spans to a journey: follows the request and cuts the time into parts.
//!
//! One cursor moves from the journey's start to its end. Each step says "until this moment the time was this
//! hop's" (`Tiler::until`): so the parts tile by construction, and a stamp that lies before the cursor makes an
//! [`Anomaly`] instead of a negative part.
//!
//! 1. `root`: the client's own spans in the order of time; what lies between them is unaccounted.
//! 2. `child`, INTERNAL: a part of its hop, of the kind that [`attribute::PART`] says; its children are cut out of it.
//! 3. `child`, CLIENT or PRODUCER: an `exchange` (in `exchange`): the time until the request's last byte is written
//!    (stamp `tx`) is the caller's own.
//! 4. Who got that byte? Layer-4 proxies owner RELAY spans speak of it, one after the other; then the SERVER span
//!    that names the CLIENT span as its parent, or else the one that read the byte. If nobody did: an opaque part.
//! 5. `arrive` (in `arrival`): `tx` to `rx` is a leg; `rx` to `accept` a wait; from there to the read a wake-up.
//! 6. `server`: from the read to the response's write, step by step as in 2 and 3; what no child covers is its own.
//! 7. The response's way back, as in 4 and 5, ends where the caller has read it; then its next step.
//! 8. An arrival may begin the next stage: the roster says where (`stages`).
//!
//! Where two spans that know of each other speak of different flows, programs that report nothing lie in between:
//! they had the request from the one's write until the other's arrival, and the part says so (`opaque`).

mod after;
mod arrival;
mod connect;
mod counts;
mod exchange;
mod nest;
mod opaque;
mod relays;
mod stages;

use nest::Nested;

use crate::index::Index;
use crate::journey::Journey;
use crate::part::{Anomaly, Counts, Part, PartKind, Stage};
use crate::roster::Roster;
use crate::semconv::{attribute, name};
use crate::span::{Kind, Span, Value};
use crate::stamp::{Direction, Event, Quality};
use crate::trace::{SpanId, TraceId};

/// How deep calls may nest before the walk stops: spans come from outside and may form a circle.
const MAX_DEPTH: u16 = 32;
/// How many spans one journey may visit: a circle with branches would be walked for ever.
const MAX_SPANS: u32 = 20_000;

/// Puts a journey together; `None` when nothing is known of the trace.
///
/// The journey is sealed when every hop that should have reported (by `roster`) has.
pub fn assemble(index: &Index, roster: &Roster, trace_id: TraceId) -> Option<Journey> {
    assemble_from(index, roster, index.root(trace_id)?.span_id)
}

/// As [`assemble`], from one span on: a trace may have several requests, when whoever sent them gave all of them the same
/// `traceparent`.
pub fn assemble_from(index: &Index, roster: &Roster, root: SpanId) -> Option<Journey> {
    let root = index.span(root)?;
    let trace_id = root.trace_id;
    // Without a client that reports, the journey begins at the first server.
    let from_client = !root.kind.is_incoming();
    let stage = if from_client { Stage::Browser } else { Stage::ToPod };
    let mut tiler = Tiler { stage, ..Tiler::new(index, roster, root.start, root.latest_end()) };
    let meanwhile = index.with_trace(trace_id).filter(|span| !tiler.is_late(span));
    tiler.counts.retries = meanwhile.map(Span::retries).sum();
    tiler.visited(root);
    if from_client {
        tiler.root(root)
    } else {
        tiler.server(root, &[], root.end)
    }
    let spanned = root.end.saturating_sub(root.start);
    let total = match root.attribute(attribute::TOTAL_NS) {
        Some(Value::Int(total)) => u64::try_from(*total).unwrap_or(0),
        _ => spanned,
    };
    let drift = total.abs_diff(spanned);
    // Linux slews a clock by at most 500 ppm (adjtimex(2)), and reading two clocks takes a moment.
    if drift > 1_000 + total / 2_000 {
        let what = "the clock was set, or slewed, during this journey".to_owned();
        tiler.anomalies.push(Anomaly { hop: root.hop.to_string(), what, by_ns: drift });
    }
    let attributed: u64 = tiler.parts.iter().map(|part| part.duration_ns).sum();
    let status = status_of(root, index);
    let (after, outstanding) = (tiler.after(root), tiler.outstanding(root));
    Some(Journey {
        trace_id,
        name: root.name.to_string(),
        start_unix_ns: root.start,
        total_ns: total,
        unaccounted_ns: i64::try_from(total).unwrap_or(i64::MAX)
            - i64::try_from(attributed).unwrap_or(i64::MAX),
        status,
        parts: tiler.parts,
        counts: tiler.counts,
        silent: tiler.silent,
        awaited: tiler.awaited,
        anomalies: tiler.anomalies,
        disturbances: Vec::new(),
        after,
        outstanding,
    })
}

/// The response's status, by the root or by one of its children.
fn status_of(root: &Span, index: &Index) -> Option<u16> {
    let of = |span: &Span| span.whole(attribute::HTTP_RESPONSE_STATUS_CODE);
    of(root).or_else(|| index.children(root.span_id).find_map(of))
}

struct Tiler<'a> {
    index: &'a Index,
    roster: &'a Roster,
    cursor: u64,
    start: u64,
    /// What a program begins on its own after that, nobody waits for.
    end: u64,
    stage: Stage,
    depth: u16,
    /// The sender of the message that arrives next, if its kernel held it back.
    held: Option<&'a str>,
    parts: Vec<Part>,
    counts: Counts,
    silent: Vec<String>,
    awaited: Vec<String>,
    anomalies: Vec<Anomaly>,
}

/// Whose the time is that passes, and what for.
#[derive(Clone, Copy)]
struct Owner<'a> {
    hop: &'a str,
    kind: PartKind,
    name: &'a str,
    quality: Quality,
}

impl<'a> Owner<'a> {
    fn own(hop: &'a str, name: &'a str) -> Self {
        Owner { hop, kind: PartKind::Own, name, quality: Quality::User }
    }

    fn leg(hop: &'a str, name: &'a str) -> Self {
        Owner { kind: PartKind::Leg, ..Owner::own(hop, name) }
    }

    /// A program that reports nothing: concluded from its neighbours.
    fn opaque(hop: &'a str, name: &'a str) -> Self {
        Owner { hop, kind: PartKind::Opaque, name, quality: Quality::Inferred }
    }
}

impl<'a> Tiler<'a> {
    fn new(index: &'a Index, roster: &'a Roster, start: u64, end: u64) -> Self {
        Tiler {
            index,
            roster,
            cursor: start,
            start,
            end,
            stage: Stage::Application,
            depth: 0,
            held: None,
            parts: Vec::new(),
            counts: Counts::default(),
            silent: Vec::new(),
            awaited: Vec::new(),
            anomalies: Vec::new(),
        }
    }

    /// Did a program begin with it when all was over? What another program got from it belongs to it.
    fn is_late(&self, span: &Span) -> bool {
        span.start >= self.end && span.kind != Kind::Server
    }

    /// The time from the cursor to `moment` was the owner's.
    fn until(&mut self, moment: u64, owner: Owner<'_>) {
        if moment < self.cursor {
            let what = format!("{} {:?} ends before it begins", owner.kind.as_str(), owner.name);
            let by_ns = self.cursor - moment;
            self.anomalies.push(Anomaly { hop: owner.hop.to_owned(), what, by_ns });
            return;
        }
        let duration_ns = moment - self.cursor;
        let start_ns = self.cursor - self.start;
        self.cursor = moment;
        // Two stretches of the same work are one part, unless something was in between.
        if let Some(last) = self.parts.last_mut()
            && (last.hop == owner.hop && last.name == owner.name)
            && (last.kind == owner.kind && last.stage == self.stage)
            && last.start_ns + last.duration_ns == start_ns
        {
            last.duration_ns += duration_ns;
            return;
        }
        let nothing = match owner.kind {
            PartKind::Own => owner.name.is_empty(),
            kind => kind == PartKind::Opaque,
        };
        if duration_ns == 0 && nothing {
            return;
        }
        self.parts.push(Part {
            hop: owner.hop.to_owned(),
            role: self.roster.role(owner.hop).to_owned(),
            kind: owner.kind,
            name: owner.name.to_owned(),
            stage: self.stage,
            start_ns,
            duration_ns,
            quality: owner.quality,
            depth: self.depth,
        });
    }

    /// Skips time that nobody has a name for: it stays unaccounted.
    fn skip(&mut self, moment: u64) {
        self.cursor = self.cursor.max(moment);
    }

    /// The client names what it does, and what lies in between is unaccounted.
    fn root(&mut self, root: &'a Span) {
        for child in self.nested(root, &[]) {
            self.skip(child.span.start.min(root.end));
            self.stage = self.stage_of_step(child.span);
            self.child(&child, &root.hop, root.end);
        }
        self.skip(root.end);
    }

    /// What happened while a span lasted, without what its program began when all was over.
    fn nested(&self, span: &Span, others: &[&'a Span]) -> Vec<Nested<'a>> {
        Nested::descendants(self.index, span, others, |span| !self.is_late(span))
    }

    /// A program answers: from the request's last byte read to the response's last byte written.
    ///
    /// `others` name the same parent: what it called when it passes its own parent on.
    fn server(&mut self, span: &'a Span, others: &[&'a Span], limit: u64) {
        let before = self.stage;
        self.begin_stage(&span.hop);
        let begun = self.stage;
        let (end, latest) = match span.stamp(Direction::Response, Event::Tx) {
            Some(stamp) => (stamp.at.min(limit), stamp.at.min(limit)),
            None => (span.end_after(self.begun(span)).min(limit), span.latest_end().min(limit)),
        };
        let mut own = Owner::own(&span.hop, "");
        let nested = self.nested(span, others);
        if span.stamps.is_empty() && !nested.iter().any(Nested::calls) {
            // It may have called somebody without a CLIENT span, or that one is still on its way.
            self.may_follow(None, &span.hop);
        }
        let predecessor: Option<u64> = span.whole(attribute::PREDECESSOR_UNTIL);
        if let Some(until) = predecessor.filter(|until| *until > self.cursor && self.cursor < end) {
            let wait = Owner { kind: PartKind::Wait, ..Owner::own(&span.hop, name::PREDECESSOR) };
            self.until(until.min(end), wait);
        }
        for child in nested {
            // Work on a streamed body begins before its last byte is here; that time was the leg's.
            if child.span.latest_end() > self.cursor {
                self.until(child.begins().max(self.cursor).min(latest), own);
                self.child(&child, &span.hop, latest);
                // When it had the response of whom it called without a CLIENT span, nobody tells.
                let called = child.span.kind == Kind::Server;
                own = if called { own.inferred() } else { Owner::own(&span.hop, "") };
            } else {
                self.count(child.span);
            }
        }
        self.until(self.cursor.clamp(end, latest), own);
        self.end_stage(before, begun);
    }

    /// Something a program did or requested, with what lies inside it.
    fn child(&mut self, child: &Nested<'a>, hop: &str, limit: u64) {
        if child.span.kind == Kind::Server {
            return self.called(hop, child.span, limit);
        }
        self.count(child.span);
        if child.span.kind == Kind::Internal {
            let name = &*child.span.name;
            let kind = child.span.text(attribute::PART).and_then(PartKind::named).unwrap_or(PartKind::Own);
            let owner = Owner { hop, kind, name, quality: Quality::User };
            for inner in &child.inside {
                let start = inner.begins().clamp(self.cursor, limit.max(self.cursor));
                // Steps that follow one another leave nothing in between.
                if start > self.cursor {
                    self.until(start, owner);
                }
                self.child(inner, hop, limit);
            }
            self.connects(child.span, owner, limit);
        } else {
            self.exchange(child, hop, limit);
        }
    }
}

#[cfg(test)]
mod tests;
