//! From spans to a journey: walks the request's way and cuts the time into parts.
//!
//! One cursor moves from the journey's start to its end. Every step says "until this moment the
//! time was this hop's": so the parts tile by construction, and a stamp that lies before the cursor
//! cannot make a negative part. It makes an [`Anomaly`].

mod arrive;
mod beyond;

use crate::index::{Index, Roster};
use crate::part::{Anomaly, Counts, Journey, Part, PartKind, Stage};
use crate::semconv::{attribute, name};
use crate::span::{Kind, Span, Value};
use crate::stamp::{Direction, Event, Quality, Transport};
use crate::trace::TraceId;

/// How deep calls may nest before the walk stops: spans come from outside and may form a circle.
const DEEPEST: u16 = 32;
/// How many spans one journey may visit: a circle with branches would be walked for ever.
const MOST: u32 = 20_000;

/// Puts a journey together; `None` when nothing is known of the trace.
///
/// The journey is sealed when every hop that should have reported (by `roster`) has.
pub fn assemble(index: &Index, roster: &Roster, trace_id: TraceId) -> Option<Journey> {
    let root = index.root(trace_id)?;
    let from_browser = root.kind != Kind::Server;
    let mut tiler = Tiler {
        index,
        roster,
        cursor: root.start,
        start: root.start,
        stage: if from_browser { Stage::Browser } else { Stage::ToPod },
        depth: 0,
        held: None,
        parts: Vec::new(),
        counts: Counts::default(),
        silent: Vec::new(),
        anomalies: Vec::new(),
    };
    tiler.counts.spans += 1;
    if from_browser {
        tiler.browser(root)
    } else {
        tiler.server(root, root.end)
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
    let status = index_status(root, index);
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
        anomalies: tiler.anomalies,
    })
}

fn index_status(root: &Span, index: &Index) -> Option<u16> {
    let of = |span: &Span| match span.attribute(attribute::HTTP_RESPONSE_STATUS_CODE) {
        Some(Value::Int(status)) => u16::try_from(*status).ok(),
        _ => None,
    };
    of(root).or_else(|| index.children(root.span_id).find_map(of))
}

struct Tiler<'a> {
    index: &'a Index,
    roster: &'a Roster,
    cursor: u64,
    start: u64,
    stage: Stage,
    depth: u16,
    /// Who sent the message that arrives next, if its kernel held it back.
    held: Option<&'a str>,
    parts: Vec<Part>,
    counts: Counts,
    silent: Vec<String>,
    anomalies: Vec<Anomaly>,
}

/// Whose time passes.
#[derive(Clone, Copy)]
struct Whose<'a> {
    hop: &'a str,
    kind: PartKind,
    name: &'a str,
    quality: Quality,
}

impl<'a> Whose<'a> {
    fn own(hop: &'a str, name: &'a str) -> Self {
        Whose { hop, kind: PartKind::Own, name, quality: Quality::User }
    }
}

impl<'a> Tiler<'a> {
    /// The time from the cursor to `moment` was `whose`.
    fn until(&mut self, moment: u64, whose: Whose<'_>) {
        if moment < self.cursor {
            let what = format!("{} {:?} ends before it begins", whose.kind.as_str(), whose.name);
            let by_ns = self.cursor - moment;
            self.anomalies.push(Anomaly { hop: whose.hop.to_owned(), what, by_ns });
            return;
        }
        let duration_ns = moment - self.cursor;
        let start_ns = self.cursor - self.start;
        self.cursor = moment;
        // Two stretches of the same work are one part, unless something was in between.
        if let Some(last) = self.parts.last_mut()
            && (last.hop == whose.hop && last.name == whose.name)
            && (last.kind == whose.kind && last.stage == self.stage)
            && last.start_ns + last.duration_ns == start_ns
        {
            last.duration_ns += duration_ns;
            return;
        }
        if duration_ns == 0 && whose.kind == PartKind::Own && whose.name.is_empty() {
            return;
        }
        self.parts.push(Part {
            hop: whose.hop.to_owned(),
            role: self.roster.role(whose.hop).to_owned(),
            kind: whose.kind,
            name: whose.name.to_owned(),
            stage: self.stage,
            start_ns,
            duration_ns,
            quality: whose.quality,
            depth: self.depth,
        });
    }

    /// Skips time that nobody has a name for: it stays unaccounted.
    fn skip(&mut self, moment: u64) {
        self.cursor = self.cursor.max(moment);
    }

    /// The root: the browser names what it does, and what lies in between is unaccounted.
    fn browser(&mut self, root: &'a Span) {
        for child in self.nest(root) {
            self.skip(child.span.start.min(root.end));
            let said = child.span.text(attribute::STAGE).and_then(Stage::named);
            self.stage = said.unwrap_or_else(|| match child.span.kind {
                Kind::Client if is_datagram(child.span) => Stage::Dns,
                Kind::Client => Stage::ToLoadBalancer,
                _ if self.stage > Stage::ToLoadBalancer => Stage::Response,
                _ => Stage::Browser,
            });
            self.child(&child, &root.hop, root.end);
        }
        self.skip(root.end);
    }

    /// A program answers: from the request's last byte read to the response's last byte written.
    fn server(&mut self, span: &'a Span, limit: u64) {
        let is_pod = self.roster.role(&span.hop) == "cart";
        let stage = self.stage;
        if is_pod {
            self.stage = Stage::Application;
        }
        let end = span.stamp(Direction::Response, Event::Tx).map_or(span.end, |stamp| stamp.at).min(limit);
        for child in self.nest(span) {
            // Work on a streamed body begins before its last byte is here; that time was the leg's.
            if child.span.end > self.cursor {
                let start = child.span.start.max(self.cursor).min(end);
                self.until(start, Whose::own(&span.hop, ""));
                self.child(&child, &span.hop, end);
            } else {
                self.count(child.span);
            }
        }
        self.until(end, Whose::own(&span.hop, ""));
        if is_pod {
            self.stage = Stage::Response;
        } else if self.stage != stage && self.stage != Stage::Response {
            self.stage = stage;
        }
    }

    /// Something a program did or asked for, with what lies inside it.
    fn child(&mut self, child: &Nested<'a>, hop: &str, limit: u64) {
        self.count(child.span);
        if child.span.kind == Kind::Internal {
            let name = &*child.span.name;
            let kind = child.span.text(attribute::PART).and_then(PartKind::named).unwrap_or(PartKind::Own);
            let whose = Whose { hop, kind, name, quality: Quality::User };
            for inner in &child.inside {
                let start = inner.span.start.clamp(self.cursor, limit.max(self.cursor));
                // Steps that follow one another leave nothing in between.
                if start > self.cursor {
                    self.until(start, whose);
                }
                self.child(inner, hop, limit);
            }
            self.until(child.span.end.min(limit).max(self.cursor), whose);
        } else {
            self.exchange(child, hop, limit);
        }
    }

    fn count(&mut self, span: &Span) {
        self.counts.spans += 1;
        match span.kind {
            Kind::Internal => {
                let opened = [name::CONNECT, name::TCP_HANDSHAKE].contains(&&*span.name);
                self.counts.connections_opened += u32::from(opened);
            }
            Kind::Client if is_datagram(span) => self.counts.dns_queries += 1,
            Kind::Client => {
                self.counts.tls_handshakes += u32::from(span.name == name::TLS_HANDSHAKE);
                let reused = span.attribute(attribute::CONNECTION_REUSED) == Some(&Value::Bool(true));
                self.counts.connections_reused += u32::from(reused);
                if self.depth == 0 && span.name != name::TLS_HANDSHAKE {
                    let bytes = |key| match span.attribute(key) {
                        Some(Value::Int(bytes)) => u64::try_from(*bytes).unwrap_or(0),
                        _ => 0,
                    };
                    self.counts.request_bytes += bytes(attribute::HTTP_REQUEST_SIZE);
                    self.counts.response_bytes += bytes(attribute::HTTP_RESPONSE_SIZE);
                }
            }
            _ => {}
        }
    }

    /// A span's children in time, those that lie within another one inside it.
    fn nest(&self, parent: &Span) -> Vec<Nested<'a>> {
        let mut children: Vec<&'a Span> = self
            .index
            .children(parent.span_id)
            .filter(|span| span.kind != Kind::Server && span.kind != Kind::Consumer)
            .collect();
        children.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let mut nested: Vec<Nested<'a>> = Vec::new();
        for span in children {
            place(&mut nested, span);
        }
        nested
    }
}

struct Nested<'a> {
    span: &'a Span,
    inside: Vec<Nested<'a>>,
}

fn place<'a>(siblings: &mut Vec<Nested<'a>>, span: &'a Span) {
    match siblings.last_mut() {
        Some(last) if span.end <= last.span.end && span.start >= last.span.start => {
            place(&mut last.inside, span);
        }
        _ => siblings.push(Nested { span, inside: Vec::new() }),
    }
}

fn leg<'a>(hop: &'a str, name: &'a str) -> Whose<'a> {
    Whose { hop, kind: PartKind::Leg, name, quality: Quality::User }
}

fn is_datagram(span: &Span) -> bool {
    span.stamps.first().is_some_and(|stamp| stamp.flow.transport == Transport::Udp)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod topologies;
