//! From spans to a journey: walks the request's way and cuts the time into parts.
//!
//! One cursor moves from the journey's start to its end. Every step says "until this moment the
//! time was this hop's": so the parts tile by construction, and a stamp that lies before the cursor
//! cannot make a negative part. It makes an [`Anomaly`].

use crate::index::{Index, Known, Relayed, Roster};
use crate::part::{Anomaly, Counts, Journey, Part, PartKind, Stage};
use crate::span::{Kind, Span, TraceId, Value};
use crate::stamp::{Direction, Event, Quality, Stamp, Transport};

/// The root span of the lab's own browser carries its total by the monotonic clock under this name.
pub const TOTAL: &str = "journey.total_ns";
/// A span may say what kind of part it is: `leg`, `wait` or `opaque`.
pub const PART_KIND: &str = "journey.part";
/// A client span says whether its connection was there already.
pub const REUSED: &str = "journey.connection.reused";
/// How deep calls may nest before the walk stops: spans come from outside and may form a circle.
const DEEPEST: u16 = 32;
/// How many spans one journey may visit: a circle with branches would be walked for ever.
const MOST: u32 = 20_000;
/// Internal spans with these names are waits.
const WAITS: [&str; 7] = ["accept", "connect", "fsync", "kafka.pool", "pool", "queue", "redis.pool"];

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
    let total = match root.attribute(TOTAL) {
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
    let of = |span: &Span| match span.attribute("http.response.status_code") {
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

    /// A hop that should have reported these bytes has not, or not yet.
    fn expect(&mut self, sent: &Stamp) {
        if let Some(known) = self.roster.at(sent.flow.server).filter(|known| known.reports) {
            self.miss(known);
        }
    }

    fn miss(&mut self, known: &Known) {
        if !self.silent.contains(&known.name) {
            self.silent.push(known.name.clone());
        }
    }

    /// The root: the browser names what it does, and what lies in between is unaccounted.
    fn browser(&mut self, root: &'a Span) {
        for child in self.nest(root) {
            self.skip(child.span.start.min(root.end));
            self.stage = match (&*child.span.name, child.span.kind) {
                ("TCP handshake", _) => Stage::Tcp,
                ("TLS handshake", _) => Stage::Tls,
                (_, Kind::Client) if is_datagram(child.span) => Stage::Dns,
                (_, Kind::Client) => Stage::ToLoadBalancer,
                (name, _) if name.starts_with("stub") => Stage::Dns,
                _ if self.stage > Stage::ToLoadBalancer => Stage::Response,
                _ => Stage::Browser,
            };
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
            let kind = match child.span.text(PART_KIND) {
                Some("leg") => PartKind::Leg,
                Some("opaque") => PartKind::Opaque,
                Some("wait") => PartKind::Wait,
                _ if WAITS.contains(&name) => PartKind::Wait,
                _ => PartKind::Own,
            };
            let whose = Whose { hop, kind, name, quality: Quality::User };
            for inner in &child.inside {
                self.until(inner.span.start.clamp(self.cursor, limit.max(self.cursor)), whose);
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
                let name = &*span.name;
                self.counts.connections_opened += u32::from(name == "connect" || name == "TCP handshake");
            }
            Kind::Client if is_datagram(span) => self.counts.dns_queries += 1,
            Kind::Client => {
                self.counts.tls_handshakes += u32::from(span.name == "TLS handshake");
                let reused = span.attribute(REUSED) == Some(&Value::Bool(true));
                self.counts.connections_reused += u32::from(reused);
                if self.depth == 0 && span.name != "TLS handshake" {
                    let bytes = |key| match span.attribute(key) {
                        Some(Value::Int(bytes)) => u64::try_from(*bytes).unwrap_or(0),
                        _ => 0,
                    };
                    self.counts.request_bytes += bytes("http.request.size");
                    self.counts.response_bytes += bytes("http.response.size");
                }
            }
            _ => {}
        }
    }

    /// A program asks another: its own preparation, then whatever happens until the answer is read.
    fn exchange(&mut self, child: &Nested<'a>, hop: &str, limit: u64) {
        let asked = child.span;
        let sent = asked.stamp(Direction::Request, Event::Tx);
        let received = asked.stamp(Direction::Response, Event::Wake);
        let (Some(sent), Some(received)) = (sent, received) else {
            let whose = Whose { hop, kind: PartKind::Opaque, name: &asked.name, quality: Quality::Inferred };
            self.until(asked.end.min(limit).max(self.cursor), whose);
            return;
        };
        for inner in child.inside.iter().filter(|inner| inner.span.start < sent.at) {
            self.until(inner.span.start.clamp(self.cursor, limit.max(self.cursor)), Whose::own(hop, ""));
            self.child(inner, hop, limit);
        }
        self.until(sent.at.min(limit).max(self.cursor), Whose::own(hop, ""));
        let back = received.at.min(limit).max(self.cursor);
        if self.depth < DEEPEST && self.counts.spans < MOST {
            self.depth += 1;
            self.beyond(asked, sent, received, hop, back);
            self.depth -= 1;
        }
        self.skip(back);
        self.until(asked.end.min(limit).max(self.cursor), Whose::own(hop, ""));
    }

    /// Beyond the asking program's socket: relays, the server or an opaque hop, and the way back.
    fn beyond(&mut self, asked: &'a Span, sent: &Stamp, received: &Stamp, hop: &str, back: u64) {
        let by_cause = self.index.children(asked.span_id).find(|span| span.kind == Kind::Server);
        let (forth, last_sent) = self.relays_forth(sent);
        let server = by_cause.or_else(|| self.index.server_of(&last_sent));
        let mut from = hop.to_owned();
        let mut through = Vec::new();
        for relayed in &forth {
            from = self.relay(&from, relayed, back);
            through.push(from.clone());
        }
        let Some(server) = server else {
            return self.nobody(&last_sent, back);
        };
        if self.stage == Stage::ToLoadBalancer && self.roster.role(&server.hop) != "lb" {
            self.stage = Stage::ToPod;
        }
        let read = server.stamp(Direction::Request, Event::Wake);
        if let Some(read) = read
            && read.flow != last_sent.flow
        {
            from = self.opaque_between(&last_sent, read, &server.hop, &mut through, back);
        }
        self.arrive(&from, server, read, back);
        self.counts.spans += 1;
        if self.roster.role(&server.hop) == "lb" && self.stage == Stage::ToLoadBalancer {
            self.stage = Stage::ToPod;
        }
        let written = server.stamp(Direction::Response, Event::Tx);
        self.server(server, back);
        self.way_back(server, written, received, &mut through, hop, back);
        // What passed the request on passed the answer, too; it has just not said so yet.
        for name in through {
            if !self.silent.contains(&name) {
                self.silent.push(name);
            }
        }
    }

    /// The leg into a server: in the kernel's queue, then until the program runs.
    fn arrive(&mut self, from: &str, server: &'a Span, read: Option<&Stamp>, back: u64) {
        let name = format!("{from} → {}", server.hop);
        if let Some(queued) = server.stamp(Direction::Request, Event::Rx) {
            let whose = Whose { quality: queued.quality, ..leg(&server.hop, &name) };
            self.until(queued.at.min(back), whose);
            let whose = Whose { kind: PartKind::Wake, ..Whose::own(&server.hop, "wake") };
            self.until(read.map_or(server.start, |stamp| stamp.at).min(back), whose);
        } else {
            let at = read.map_or(server.start, |stamp| stamp.at);
            self.until(at.min(back), leg(&server.hop, &name));
        }
    }

    /// The response's way from a server through relays (and perhaps an opaque hop) to who asked.
    ///
    /// Removes from `through` whom it passes.
    fn way_back(
        &mut self,
        server: &Span,
        written: Option<&Stamp>,
        received: &Stamp,
        through: &mut Vec<String>,
        hop: &str,
        back: u64,
    ) {
        let mut from = server.hop.to_string();
        let mut at = written.copied();
        while let Some(stamp) = at.filter(|stamp| stamp.flow != received.flow) {
            let Some(relayed) = self.index.relay_from(&stamp) else { break };
            from = self.relay(&from, &relayed, back);
            through.retain(|name| *name != from);
            at = Some(relayed.written);
        }
        let direct = at.is_none_or(|stamp| stamp.flow == received.flow);
        if !direct {
            self.expect(received);
            let between = self.opaque_name(received);
            let name = format!("{between} (response)");
            let whose =
                Whose { hop: &between, kind: PartKind::Opaque, name: &name, quality: Quality::Inferred };
            self.until(back, whose);
            from = between;
        }
        let name = format!("{from} → {hop}");
        self.until(back.max(self.cursor), Whose { quality: received.quality, ..leg(hop, &name) });
    }

    /// Follows a request through layer-4 proxies that reported it.
    fn relays_forth(&self, sent: &Stamp) -> (Vec<Relayed<'a>>, Stamp) {
        let mut found = Vec::new();
        let mut at = *sent;
        while let Some(relayed) = self.index.relay_from(&at).filter(|_| found.len() < usize::from(DEEPEST)) {
            at = relayed.written;
            found.push(relayed);
        }
        (found, at)
    }

    /// A leg into a layer-4 proxy and the proxy's own time; returns the proxy's name.
    fn relay(&mut self, from: &str, relayed: &Relayed<'_>, back: u64) -> String {
        self.counts.spans += 1;
        let hop = relayed.span.hop.to_string();
        if self.stage == Stage::ToLoadBalancer {
            self.stage = Stage::ToPod;
        }
        let name = format!("{from} → {hop}");
        let connect = self.index.connect_for(relayed.read.flow).filter(|connect| {
            let forth = relayed.read.direction == Direction::Request;
            forth && connect.start >= self.start && connect.end <= relayed.read.at
        });
        if connect.is_some() {
            self.counts.connections_opened += 1;
            self.counts.spans += 1;
        }
        // Often the connection is made while the sender still prepares; then nobody waits for it.
        if let Some(connect) = connect.filter(|connect| connect.end > self.cursor) {
            self.until(connect.start.max(self.cursor).min(back), leg(&hop, &name));
            let whose = Whose { kind: PartKind::Wait, ..Whose::own(&hop, "connect") };
            self.until(connect.end.min(back), whose);
            self.until(relayed.read.at.min(back), Whose::own(&hop, ""));
        } else {
            self.until(relayed.read.at.min(back), leg(&hop, &name));
        }
        self.until(relayed.written.at.min(back), Whose::own(&hop, ""));
        hop
    }

    /// Something that reports nothing stands between a sender and a server that knows its cause: it
    /// had the request from the sender's write to the first relay (or server) behind it.
    ///
    /// Adds to `through` the relays that it finds behind.
    fn opaque_between(
        &mut self,
        sent: &Stamp,
        read: &Stamp,
        server: &str,
        through: &mut Vec<String>,
        back: u64,
    ) -> String {
        self.expect(sent);
        let mut behind = Vec::new();
        let mut at = *read;
        while let Some(relayed) = self.index.relay_to(&at).filter(|_| behind.len() < usize::from(DEEPEST)) {
            at = relayed.read;
            behind.push(relayed);
        }
        through.extend(behind.iter().rev().map(|relayed| relayed.span.hop.to_string()));
        let first = behind.last().map_or(server, |relayed| &relayed.span.hop);
        let opaque = self.roster.at(sent.flow.server).filter(|known| !known.reports);
        let reporters = opaque.map(|known| self.roster.reporters_behind(known)).unwrap_or_default();
        if let Some(skipped) = reporters.into_iter().find(|known| self.roster.leads(known, first)) {
            self.miss(skipped);
        }
        let hop = self.opaque_name(sent);
        let name = format!("{hop} (request)");
        let whose = Whose { hop: &hop, kind: PartKind::Opaque, name: &name, quality: Quality::Inferred };
        if let Some(first) = behind.last() {
            self.until(first.read.at.min(back), whose);
            self.until(first.written.at.min(back), Whose::own(&first.span.hop, ""));
            let mut from = first.span.hop.to_string();
            for relayed in behind.iter().rev().skip(1) {
                from = self.relay(&from, relayed, back);
            }
            from
        } else {
            self.until(read.at.min(back), whose);
            hop
        }
    }

    /// No one answers for these bytes: an opaque program, or one that should have reported.
    fn nobody(&mut self, sent: &Stamp, back: u64) {
        self.expect(sent);
        let opaque = self.roster.at(sent.flow.server).filter(|known| !known.reports);
        if let Some(behind) = opaque.and_then(|known| self.roster.reporters_behind(known).first().copied()) {
            self.miss(behind);
        }
        let hop = self.opaque_name(sent);
        let whose = Whose { hop: &hop, kind: PartKind::Opaque, name: "", quality: Quality::Inferred };
        self.until(back, whose);
    }

    fn opaque_name(&self, stamp: &Stamp) -> String {
        let server = stamp.flow.server;
        self.roster.at(server).map_or_else(|| server.to_string(), |known| known.name.clone())
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
