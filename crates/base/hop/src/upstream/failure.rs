//! Why an upstream gave no response that can be used, and whose fault that is.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::StatusCode;

use crate::http::{Fault, Problem};

/// Why there is no response that can be used. `system` is the upstream's name, such as `redis`.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// All connections are in use. Nothing was sent.
    #[error("no connection to {system} became free within {limit:?}")]
    NoConnectionFree {
        /// The upstream.
        system: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// No connection. Nothing was sent.
    #[error("connect to {system} at {to}")]
    Connect {
        /// The upstream.
        system: &'static str,
        /// Where it should be.
        to: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// No complete response in time: whether the request took effect is unknown.
    #[error("{system} did not answer within {limit:?}")]
    Timeout {
        /// The upstream.
        system: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection broke: whether the request took effect is unknown.
    #[error("exchange with {system}")]
    Broken {
        /// The upstream.
        system: &'static str,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The response makes no sense, or leaves open what was done.
    #[error("{system} answered: {text}")]
    Refused {
        /// The upstream.
        system: &'static str,
        /// Its words.
        text: String,
    },
    /// The response says that nothing was done.
    #[error("{system} answered: {text}")]
    NotDone {
        /// The upstream.
        system: &'static str,
        /// Its words.
        text: String,
    },
}

impl Failure {
    /// Is it certain that the request had no effect, so that it can be sent again?
    pub fn had_no_effect(&self) -> bool {
        matches!(self, Failure::NoConnectionFree { .. } | Failure::Connect { .. } | Failure::NotDone { .. })
    }

    /// The upstream's name.
    pub fn system(&self) -> &'static str {
        match self {
            Failure::NoConnectionFree { system, .. }
            | Failure::Connect { system, .. }
            | Failure::Timeout { system, .. }
            | Failure::Broken { system, .. }
            | Failure::Refused { system, .. }
            | Failure::NotDone { system, .. } => system,
        }
    }

    /// One word for the kind of failure: the span's `error.type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Failure::NoConnectionFree { .. } => "no_connection_free",
            Failure::Connect { .. } => "connect",
            Failure::Timeout { .. } => "timeout",
            Failure::Broken { .. } => "broken",
            Failure::Refused { .. } => "refused",
            Failure::NotDone { .. } => "not_done",
        }
    }

    /// Who has to change something: this program, when it allows itself too few connections, else the upstream.
    pub fn fault(&self) -> Fault {
        if matches!(self, Failure::NoConnectionFree { .. }) { Fault::Ours } else { Fault::Upstream }
    }

    /// What happened and why, in one line.
    pub fn describe(&self) -> String {
        match std::error::Error::source(self) {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    /// The response to the caller: 503, with what the failure means for the request in `meaning`.
    pub fn problem(&self, meaning: &str) -> Problem {
        let kind = format!("{}-unavailable", self.system());
        let detail = format!("{}. {meaning}", self.describe());
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, self.fault(), &kind, detail)
    }
}
