//! Why there is no response, and whose fault that is.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::StatusCode;

use crate::http::server::BodyError;
use crate::http::{Fault, Problem};

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection: nothing was sent, so that somebody else may get the request.
    #[error("connect to {to}")]
    Connect {
        /// The upstream.
        to: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// The connection broke after the request may have been seen.
    #[error("{to} broke off the exchange")]
    Broken {
        /// The upstream.
        to: SocketAddr,
        /// What hyper said.
        source: hyper::Error,
    },
    /// The response did not begin in time.
    #[error("no response from {to} within {limit:?}")]
    Timeout {
        /// The upstream.
        to: SocketAddr,
        /// As [`super::ClientLimits::response`] says.
        limit: Duration,
    },
}

impl ClientError {
    /// Is it certain that the request had no effect?
    pub fn nothing_was_sent(&self) -> bool {
        matches!(self, ClientError::Connect { .. })
    }

    /// Was it the request's own body that broke, so that no upstream is to blame?
    pub fn is_the_bodys(&self) -> bool {
        matches!(self, ClientError::Broken { source, .. } if source.is_user())
    }

    /// What kind it is, in one word, as the CLIENT span's `error.type`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            ClientError::Connect { .. } => "connect",
            ClientError::Broken { .. } => "broken",
            ClientError::Timeout { .. } => "timeout",
        }
    }

    /// What the caller is told: 502 or 504, the next hop's fault (RFC 9110 §15.6.3, §15.6.5).
    ///
    /// Unless the request's body was what broke: that is the client's fault.
    pub fn problem(&self) -> Problem {
        if let Some(body) = BodyError::among_causes(self) {
            return body.problem();
        }
        if let ClientError::Broken { source, .. } = self
            && source.is_user()
        {
            let status = StatusCode::BAD_REQUEST;
            return Problem::new(status, Fault::Client, "body-broken", source.to_string());
        }
        let (status, kind) = match self {
            ClientError::Connect { .. } => (StatusCode::BAD_GATEWAY, "upstream-unreachable"),
            ClientError::Broken { .. } => (StatusCode::BAD_GATEWAY, "upstream-broke-off"),
            ClientError::Timeout { .. } => (StatusCode::GATEWAY_TIMEOUT, "upstream-timeout"),
        };
        let mut detail = self.to_string();
        if let Some(source) = std::error::Error::source(self) {
            detail = format!("{detail}: {source}");
        }
        Problem::new(status, Fault::Upstream, kind, detail)
    }
}
