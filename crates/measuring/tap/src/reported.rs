//! What the programs report of a journey, reduced to which byte passed whom, and when.

use std::collections::HashMap;

use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span, SpanId, Stamp, TraceId};

/// One stamp and who took it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedStamp {
    /// Who took it: the instance's name, `service.name`.
    pub hop: String,
    /// Which byte, where and when.
    pub stamp: Stamp,
}

/// A program had a request: from the arrival of its last byte to the leaving of the response's last byte.
#[derive(Clone, Debug, PartialEq)]
pub struct Handling {
    /// The instance's name, `service.name`.
    pub hop: String,
    /// The request's last byte: in the socket's queue if that is known, else read.
    pub received: Stamp,
    /// The response's last byte.
    pub sent: Stamp,
    /// Its own requests to others meanwhile: the request's last byte, the response's last byte.
    pub calls: Vec<(Stamp, Stamp)>,
}

/// All that was reported of one journey.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportedStamps {
    /// The journey's trace.
    pub trace_id: TraceId,
    /// From when to when, by the browser: nanoseconds since the Unix epoch.
    pub span: (u64, u64),
    /// In the order of the spans that carry them.
    pub stamps: Vec<ReportedStamp>,
    /// Who had the request when.
    pub handlings: Vec<Handling>,
}

impl ReportedStamps {
    /// Of the spans that belong to a journey ([`journey::Index::joined`]).
    pub fn of(trace_id: TraceId, spans: &[&Span]) -> Self {
        let root = spans
            .iter()
            .find(|span| span.trace_id == trace_id && span.attribute(attribute::TOTAL_NS).is_some());
        let ours = || spans.iter().filter(|span| span.trace_id == trace_id);
        let whole = || {
            let start = ours().map(|span| span.start).min().unwrap_or(0);
            (start, ours().map(|span| span.end).max().unwrap_or(start))
        };
        let stamps = spans.iter().flat_map(|span| {
            span.stamps.iter().map(|stamp| ReportedStamp { hop: span.hop.to_string(), stamp: *stamp })
        });
        ReportedStamps {
            trace_id,
            span: root.map_or_else(whole, |root| (root.start, root.end)),
            stamps: stamps.collect(),
            handlings: handlings(spans),
        }
    }
}

fn handlings(spans: &[&Span]) -> Vec<Handling> {
    let by_id: HashMap<SpanId, &Span> = spans.iter().map(|span| (span.span_id, *span)).collect();
    let mut calls: HashMap<SpanId, Vec<(Stamp, Stamp)>> = HashMap::new();
    for span in spans.iter().filter(|span| span.kind != Kind::Server) {
        let request = span.stamp(Direction::Request, Event::Tx);
        let response = arrival(span, Direction::Response);
        let (Some(request), Some(response)) = (request, response) else { continue };
        if request.flow == response.flow
            && let Some(server) = server_above(&by_id, span)
        {
            calls.entry(server).or_default().push((*request, response));
        }
    }
    let mut handlings = Vec::new();
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
        if let Some((received, sent)) = pair {
            let calls = calls.remove(&span.span_id).unwrap_or_default();
            handlings.push(Handling { hop: span.hop.to_string(), received, sent: *sent, calls });
        }
    }
    handlings
}

/// The kernel's word on when bytes received, if there is one; else the program's.
fn arrival(span: &Span, direction: Direction) -> Option<Stamp> {
    span.stamp(direction, Event::Rx).or_else(|| span.stamp(direction, Event::Wake)).copied()
}

/// The request for whose sake a program called another one.
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
