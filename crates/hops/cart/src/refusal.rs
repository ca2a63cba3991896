//! A request that is not granted: a problem, and the header that HTTP asks for beside it.

use hop::http::{Body, Fault, Problem};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, header};

/// What a handler returns instead of an answer.
#[derive(Debug)]
pub struct Refusal {
    /// What is wrong, and whose fault it is.
    pub problem: Box<Problem>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Refusal { problem: Box::new(problem), header: None }
    }
}

impl Refusal {
    /// The request itself is wrong: `field` is the member of the body, or the header, to change.
    pub fn client(status: StatusCode, kind: &str, field: &str, detail: impl Into<String>) -> Self {
        Problem::new(status, Fault::Client, kind, detail).field(field).into()
    }

    /// Adds a header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Says that the same request may succeed a moment later (RFC 9110 §10.2.3), in whole seconds.
    pub fn retry_after(self, seconds: u16) -> Self {
        self.with(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// The response, in the name of this hop.
    pub fn into_response(self, hop: &str) -> Response<Body> {
        let mut response = self.problem.at(hop).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
