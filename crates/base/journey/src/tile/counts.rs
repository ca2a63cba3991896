//! What is counted of each span that belongs to a journey, and what it says of itself that cannot be.

use super::Tiler;
use crate::part::Anomaly;
use crate::semconv::{attribute, name};
use crate::span::{Kind, Span, Value};

impl Tiler<'_> {
    /// A span belongs to the journey. What it says of itself may be impossible.
    pub(super) fn visited(&mut self, span: &Span) {
        self.counts.spans += 1;
        let mut strange = |what: &str, by_ns: u64| {
            let what = format!("{} {what}", span.name);
            self.anomalies.push(Anomaly { hop: span.hop.to_string(), what, by_ns });
        };
        if span.end < span.start {
            strange("ends before it begins", span.start - span.end);
        }
        if span.parent == Some(span.span_id) {
            strange("is its own parent", span.end.saturating_sub(span.start));
        }
        let parent = span.parent.and_then(|parent| self.index.span(parent));
        if let Some(parent) = parent.filter(|parent| span.kind == Kind::Internal && parent.hop == span.hop) {
            let outside = parent.start.saturating_sub(span.start) + span.end.saturating_sub(parent.end);
            if outside > 0 {
                strange("lasts longer than its parent", outside);
            }
        }
    }

    pub(super) fn count(&mut self, span: &Span) {
        self.visited(span);
        match span.kind {
            Kind::Internal => {
                let opened = [name::CONNECT, name::TCP_HANDSHAKE].contains(&&*span.name);
                self.counts.connections_opened += u32::from(opened);
            }
            Kind::Client | Kind::Producer if span.is_datagram() => {
                self.counts.dns_queries += 1;
                // A resolver's queries need not be of the journey's trace: they are joined by flow.
                self.counts.retries += span.whole(attribute::DNS_RESEND_COUNT).unwrap_or(0);
            }
            Kind::Client | Kind::Producer => {
                self.counts.tls_handshakes += u32::from(span.name == name::TLS_HANDSHAKE);
                let reused = span.attribute(attribute::CONNECTION_REUSED) == Some(&Value::Bool(true));
                self.counts.connections_reused += u32::from(reused);
                if self.depth == 0 && span.name != name::TLS_HANDSHAKE {
                    // What nobody counted is not 0.
                    let add = |sum: &mut Option<u64>, bytes: Option<u64>| {
                        *sum = bytes.map_or(*sum, |bytes| Some(sum.unwrap_or(0) + bytes));
                    };
                    add(&mut self.counts.request_bytes, span.whole(attribute::HTTP_REQUEST_SIZE));
                    add(&mut self.counts.response_bytes, span.whole(attribute::HTTP_RESPONSE_SIZE));
                }
            }
            Kind::Server | Kind::Consumer => {}
        }
    }
}
