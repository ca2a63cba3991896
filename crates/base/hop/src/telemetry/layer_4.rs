//! What a layer-4 proxy records of its work: nothing but plain values, until somebody asks for the spans.
//!
//! It sees no requests, so it cannot know which of them is recorded. Each chunk is kept with its stamps (read here,
//! written there); whoever knows the flow and the offset finds the request that it belongs to.

use std::net::SocketAddr;

use journey::semconv::{attribute, name};
use journey::{Flow, Kind, PartKind, Span};

use super::recorder::{Ids, Record};
use crate::metrics::Operation;
use crate::stamped::{Ends, Handshake, Mark};

/// A chunk or a connection that it passed on.
pub enum Passed {
    /// A chunk.
    Relayed {
        /// The connection that it came from, and when its last byte was read there.
        from: (Ends, Mark),
        /// The connection that it went to, and when it was written there.
        to: (Ends, Mark),
        /// How many bytes it has: which ones of the stream, so that one that is missing is not taken for the next.
        size: u64,
    },
    /// A connection: an endpoint was chosen for it, and reached or not. It joins the two flows, so that whoever
    /// puts a journey together knows where the bytes of one went on.
    Connected {
        /// The client's connection.
        client: Ends,
        /// The endpoint that was chosen.
        endpoint: SocketAddr,
        /// By which policy.
        policy: &'static str,
        /// The connection to it, or OpenTelemetry's `error.type`.
        outcome: Result<(Ends, Handshake), &'static str>,
        /// When that was over.
        end: u64,
    },
}

impl Record for Passed {
    fn times(&self) -> (u64, u64) {
        match self {
            Passed::Relayed { from, to, .. } => (from.1.at, to.1.at),
            Passed::Connected { client, end, .. } => (client.opened(), *end),
        }
    }

    fn flows(&self) -> [Option<Flow>; 2] {
        match self {
            Passed::Relayed { from, to, .. } => [Some(from.0.flow()), Some(to.0.flow())],
            Passed::Connected { client, outcome, .. } => {
                [Some(client.flow()), outcome.ok().map(|(endpoint, _)| endpoint.flow())]
            }
        }
    }

    fn operation(&self) -> Option<(Operation, &str)> {
        Some(match self {
            Passed::Relayed { .. } => (Operation::Relay, name::RELAY),
            Passed::Connected { .. } => (Operation::Connect, name::CONNECT),
        })
    }

    fn spans(&self, ids: Ids) -> Vec<Span> {
        let span = |name| Span::new(ids.trace(), ids.span(0), None, Kind::Internal, name, self.times());
        vec![match self {
            Passed::Relayed { from, to, size } => {
                let mut span = span(name::RELAY).with(attribute::READ_SIZE, *size);
                // Each socket knows which side of its flow it is, and so which direction this was.
                span.stamps = from.0.read_stamps(from.1).chain([to.0.write_stamp(to.1)]).collect();
                span
            }
            Passed::Connected { client, endpoint, policy, outcome, .. } => {
                let span = span(name::CONNECT)
                    .part(PartKind::Wait)
                    .with(attribute::FLOW_IN, client.flow().to_string())
                    .with(attribute::ENDPOINT, endpoint.to_string())
                    .with(attribute::POLICY, *policy);
                match outcome {
                    Ok((endpoint, handshake)) => {
                        handshake.describe(span).with(attribute::FLOW_OUT, endpoint.flow().to_string())
                    }
                    Err(error) => span.with(attribute::ERROR_TYPE, *error),
                }
            }
        }]
    }
}
