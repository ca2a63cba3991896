//! Errors as problem details (RFC 9457): what happened, in which hop, and whose fault it is.

use bytes::Bytes;
use hyper::{Response, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::{Body, full};

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
    /// Whose fault it is.
    pub fault: Fault,
    /// The member of the request body, or the header, that is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
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

    /// The response that carries it.
    pub fn into_response(self) -> Response<Body> {
        let body = serde_json::to_vec(&self).map(Bytes::from).unwrap_or_default();
        let mut response = Response::new(full(body));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        response
    }
}
