//! What a span must carry, by what it is about: the attributes that OpenTelemetry requires of it (HTTP, database and
//! messaging spans), and where it has no convention (TLS, the servers of databases and brokers), those that we do.

use super::attribute;
use crate::span::{Kind, Span};

/// What the spans of one sort must carry.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// What such a span is about.
    pub name: &'static str,
    /// The kind of such a span.
    pub kind: Kind,
    /// The attribute by which it is known.
    pub known_by: &'static str,
    /// What else it must carry.
    pub required: &'static [&'static str],
    /// Of these it must carry one at least, if there are any: how it went.
    pub outcome: &'static [&'static str],
}

/// How an HTTP request went.
const HTTP_OUTCOME: &[&str] = &[attribute::HTTP_RESPONSE_STATUS_CODE, attribute::ERROR_TYPE];
/// How a DNS query went.
const DNS_OUTCOME: &[&str] =
    &[attribute::DNS_RESPONSE_CODE, attribute::DNS_ANSWER_TTL, attribute::ERROR_TYPE];

impl Convention {
    /// All of them; a span's is the first by which it is known.
    pub const ALL: &'static [Convention] = &[
        Convention {
            name: "HTTP client",
            kind: Kind::Client,
            known_by: attribute::HTTP_REQUEST_METHOD,
            required: &[attribute::URL_FULL, attribute::SERVER_ADDRESS, attribute::SERVER_PORT],
            outcome: HTTP_OUTCOME,
        },
        Convention {
            name: "HTTP server",
            kind: Kind::Server,
            known_by: attribute::HTTP_REQUEST_METHOD,
            required: &[attribute::URL_PATH, attribute::URL_SCHEME],
            outcome: HTTP_OUTCOME,
        },
        Convention {
            name: "DNS client",
            kind: Kind::Client,
            known_by: attribute::DNS_QUESTION_NAME,
            required: &[],
            outcome: DNS_OUTCOME,
        },
        Convention {
            name: "DNS server",
            kind: Kind::Server,
            known_by: attribute::DNS_QUESTION_NAME,
            required: &[attribute::DNS_QUESTION_TYPE],
            outcome: DNS_OUTCOME,
        },
        Convention {
            name: "database client",
            kind: Kind::Client,
            known_by: attribute::DB_SYSTEM_NAME,
            required: &[attribute::DB_OPERATION_NAME, attribute::SERVER_ADDRESS, attribute::SERVER_PORT],
            outcome: &[],
        },
        Convention {
            name: "database server",
            kind: Kind::Server,
            known_by: attribute::DB_SYSTEM_NAME,
            required: &[attribute::DB_OPERATION_NAME],
            outcome: &[],
        },
        Convention {
            name: "database within the program",
            kind: Kind::Internal,
            known_by: attribute::DB_SYSTEM_NAME,
            required: &[attribute::DB_OPERATION_NAME],
            outcome: &[],
        },
        Convention {
            name: "message producer",
            kind: Kind::Producer,
            known_by: attribute::MESSAGING_SYSTEM,
            required: &[
                attribute::MESSAGING_OPERATION_NAME,
                attribute::MESSAGING_OPERATION_TYPE,
                attribute::MESSAGING_DESTINATION_NAME,
                attribute::SERVER_ADDRESS,
                attribute::SERVER_PORT,
            ],
            outcome: &[],
        },
        Convention {
            name: "broker client",
            kind: Kind::Client,
            known_by: attribute::MESSAGING_SYSTEM,
            required: &[
                attribute::MESSAGING_OPERATION_NAME,
                attribute::SERVER_ADDRESS,
                attribute::SERVER_PORT,
            ],
            outcome: &[],
        },
        Convention {
            name: "broker",
            kind: Kind::Server,
            known_by: attribute::MESSAGING_SYSTEM,
            required: &[attribute::MESSAGING_OPERATION_NAME],
            outcome: &[],
        },
        Convention {
            name: "TLS client",
            kind: Kind::Client,
            known_by: attribute::TLS_PROTOCOL_VERSION,
            required: &[attribute::TLS_CIPHER, attribute::TLS_RESUMED],
            outcome: &[],
        },
        Convention {
            name: "TLS server",
            kind: Kind::Server,
            known_by: attribute::TLS_PROTOCOL_VERSION,
            required: &[attribute::TLS_CIPHER, attribute::TLS_RESUMED],
            outcome: &[],
        },
    ];

    /// The convention for a span; `None` for one about nothing that is listed, as most INTERNAL ones are.
    pub fn of(span: &Span) -> Option<&'static Convention> {
        let fits = |convention: &&Convention| {
            convention.kind == span.kind && span.attribute(convention.known_by).is_some()
        };
        Convention::ALL.iter().find(fits)
    }

    /// What a span lacks; of an [outcome](Convention::outcome) that is missing the first that it could have.
    pub fn missing(&self, span: &Span) -> Vec<&'static str> {
        let lacks = |key: &&&str| span.attribute(key).is_none();
        let mut missing: Vec<_> = self.required.iter().filter(lacks).copied().collect();
        if self.outcome.iter().all(|key| span.attribute(key).is_none()) {
            missing.extend(self.outcome.first());
        }
        missing
    }
}
