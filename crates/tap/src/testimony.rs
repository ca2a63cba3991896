//! What the programs say of a journey, reduced to which byte passed whom, and when.

use std::collections::HashMap;

use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span, SpanId, Stamp, TraceId};

/// One stamp and who took it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The instance.
    pub hop: String,
    /// What it says.
    pub stamp: Stamp,
}

/// A program had a request: from its last byte's arrival to the answer's last byte's leaving.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// The instance.
    pub hop: String,
    /// The last byte of what came: in the socket's queue if that is known, else read.
    pub came: Stamp,
    /// The last byte of what it sent because of it.
    pub went: Stamp,
    /// What it asked others meanwhile: the question's last byte, the answer's last byte.
    pub asked: Vec<(Stamp, Stamp)>,
}

/// All that was said of one journey.
#[derive(Clone, Debug, PartialEq)]
pub struct Testimony {
    /// Which journey.
    pub trace_id: TraceId,
    /// From when to when, by the browser: nanoseconds since the Unix epoch.
    pub span: (u64, u64),
    /// Every stamp.
    pub claims: Vec<Claim>,
    /// Who had the request when.
    pub holds: Vec<Hold>,
}

impl Testimony {
    /// Of the spans that a journey caused ([`journey::Index::caused`]).
    pub fn of(trace_id: TraceId, spans: &[&Span]) -> Self {
        let root = spans
            .iter()
            .find(|span| span.trace_id == trace_id && span.attribute(attribute::TOTAL_NS).is_some());
        let ours = || spans.iter().filter(|span| span.trace_id == trace_id);
        let whole = || {
            let start = ours().map(|span| span.start).min().unwrap_or(0);
            (start, ours().map(|span| span.end).max().unwrap_or(start))
        };
        let claims = spans.iter().flat_map(|span| {
            span.stamps.iter().map(|stamp| Claim { hop: span.hop.to_string(), stamp: *stamp })
        });
        Testimony {
            trace_id,
            span: root.map_or_else(whole, |root| (root.start, root.end)),
            claims: claims.collect(),
            holds: holds(spans),
        }
    }
}

fn holds(spans: &[&Span]) -> Vec<Hold> {
    let by_id: HashMap<SpanId, &Span> = spans.iter().map(|span| (span.span_id, *span)).collect();
    let mut asked: HashMap<SpanId, Vec<(Stamp, Stamp)>> = HashMap::new();
    for span in spans.iter().filter(|span| span.kind != Kind::Server) {
        let question = span.stamp(Direction::Request, Event::Tx);
        let answer = arrival(span, Direction::Response);
        let (Some(question), Some(answer)) = (question, answer) else { continue };
        if question.flow == answer.flow
            && let Some(server) = server_above(&by_id, span)
        {
            asked.entry(server).or_default().push((*question, answer));
        }
    }
    let mut holds = Vec::new();
    for span in spans {
        let pair = match span.kind {
            Kind::Server => arrival(span, Direction::Request).zip(span.stamp(Direction::Response, Event::Tx)),
            // A layer-4 proxy passes bytes from one flow to another.
            Kind::Internal => {
                let written = span.stamps.iter().find(|stamp| stamp.event == Event::Tx);
                written.and_then(|written| Some((arrival(span, written.direction)?, written)))
            }
            Kind::Client | Kind::Producer | Kind::Consumer => None,
        };
        if let Some((came, went)) = pair {
            let asked = asked.remove(&span.span_id).unwrap_or_default();
            holds.push(Hold { hop: span.hop.to_string(), came, went: *went, asked });
        }
    }
    holds
}

/// The kernel's word on when bytes came, if there is one; else the program's.
fn arrival(span: &Span, direction: Direction) -> Option<Stamp> {
    span.stamp(direction, Event::Rx).or_else(|| span.stamp(direction, Event::Wake)).copied()
}

/// The request for which a program asked another one.
fn server_above(by_id: &HashMap<SpanId, &Span>, span: &Span) -> Option<SpanId> {
    let mut at = span;
    for _ in 0..32 {
        at = by_id.get(&at.parent?)?;
        if at.hop != span.hop {
            return None;
        }
        if at.kind == Kind::Server {
            return Some(at.span_id);
        }
    }
    None
}
