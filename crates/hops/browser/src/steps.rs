//! The steps of one request, read from the spans that the browser recorded.

use journey::semconv::{attribute, name};
use journey::{Event, Kind, Span};
use serde::Serialize;

use crate::request::Response;

/// One step on the way to a response.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// `DNS`, `TCP`, `TLS`, `request`, `first byte`, `last byte`.
    pub step: &'static str,
    /// When it began, in nanoseconds from the beginning of all.
    pub at_ns: u64,
    /// How long it took, in nanoseconds.
    pub takes_ns: u64,
    /// What came of it.
    pub detail: String,
}

/// The steps that were taken, in their order. What was there already (a cached name, a kept connection) is none.
pub fn of(response: &Response) -> Vec<Step> {
    let Some(root) = response.spans.iter().find(|span| span.parent.is_none()) else { return Vec::new() };
    let spans = response.spans.iter().filter(|span| span.parent.is_some());
    spans.flat_map(|span| steps(span, root.start, response)).collect()
}

fn steps(span: &Span, start: u64, response: &Response) -> Vec<Step> {
    let step = |step, (from, to): (u64, u64), detail| Step {
        step,
        at_ns: from.saturating_sub(start),
        takes_ns: to.saturating_sub(from),
        detail,
    };
    let fact = |key: &str| span.attribute(key).map_or_else(|| "?".to_owned(), ToString::to_string);
    let whole = (span.start, span.end);
    if span.attribute(attribute::DNS_QUESTION_NAME).is_some() {
        let resolver = span.stamps.first().map(|stamp| stamp.flow.to_string()).unwrap_or_default();
        let detail = format!("{}: good for {} s ({resolver})", span.name, fact(attribute::DNS_ANSWER_TTL));
        return vec![step("DNS", whole, detail)];
    }
    match &*span.name {
        name::TCP_HANDSHAKE => {
            let (ip, port) = (fact(attribute::NETWORK_PEER_ADDRESS), fact(attribute::NETWORK_PEER_PORT));
            vec![step("TCP", whole, format!("connected to {ip}, port {port}"))]
        }
        name::TLS_HANDSHAKE => {
            let resumed = span.attribute(attribute::TLS_RESUMED) == Some(&true.into());
            let detail = format!(
                "TLS {}, {}, {}, ALPN {}{}",
                fact(attribute::TLS_PROTOCOL_VERSION),
                fact(attribute::TLS_CIPHER),
                fact(attribute::TLS_CURVE),
                fact(attribute::TLS_NEXT_PROTOCOL),
                if resumed { "; a session is resumed" } else { "" },
            );
            vec![step("TLS", whole, detail)]
        }
        request if span.kind == Kind::Client => {
            let sent = span.stamps.iter().find(|stamp| stamp.event == Event::Tx);
            let sent = sent.map_or(span.start, |stamp| stamp.at);
            let first = (start + response.first_byte_ns).clamp(sent, span.end);
            let bytes = (fact(attribute::HTTP_REQUEST_SIZE), fact(attribute::HTTP_RESPONSE_SIZE));
            vec![
                step("request", (span.start, sent), format!("{request}: {} bytes, TLS included", bytes.0)),
                step("first byte", (sent, first), response.status.to_string()),
                step("last byte", (first, span.end), format!("{} bytes, TLS included", bytes.1)),
            ]
        }
        _ => Vec::new(),
    }
}
