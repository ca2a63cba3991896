//! Errors as problem details (RFC 9457): what happened, in which hop, and whose fault it is.

use hyper::StatusCode;
use hyper::header::{self, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// Who has to change something for the request to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The caller: the same request will fail again.
    Client,
    /// A program further down the way.
    Upstream,
    /// This hop.
    Ours,
}

/// A problem detail document (RFC 9457 §3.1), with the hop and the fault as extension members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:journey:problem:` and a short name: stable, for programs.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every occurrence of this type.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
    /// The hop that says so.
    pub hop: String,
    /// Who has to change something.
    pub fault: Fault,
    /// The member of the request body, or the header, that is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// Fields of the response that carries this, such as `Allow`.
    #[serde(skip)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem; `kind` is a short name such as `no-route`.
    pub fn new(status: StatusCode, fault: Fault, kind: &str, detail: impl Into<String>) -> Self {
        Problem {
            kind: format!("urn:journey:problem:{kind}"),
            title: kind.replace('-', " "),
            status: status.as_u16(),
            detail: detail.into(),
            hop: String::new(),
            fault,
            field: None,
            headers: Vec::new(),
        }
    }

    /// Names what is wrong in the request.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the hop that says so.
    pub fn at(mut self, hop: &str) -> Self {
        hop.clone_into(&mut self.hop);
        self
    }

    /// Adds a field to the response that carries this.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Says which methods there are (RFC 9110 §15.5.6 demands it of a 405).
    pub fn allow(self, methods: &'static str) -> Self {
        self.header(header::ALLOW, HeaderValue::from_static(methods))
    }

    /// Says that the same request may succeed a moment later, in whole seconds (RFC 9110 §10.2.3).
    pub fn retry_after(self, seconds: u16) -> Self {
        self.header(header::RETRY_AFTER, seconds.into())
    }
}

impl From<Box<Problem>> for Problem {
    fn from(problem: Box<Problem>) -> Self {
        *problem
    }
}
