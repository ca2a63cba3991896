//! Responses that a program makes itself: text, JSON, and whatever a handler returns.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use super::body::{Body, full};
use super::content_type;
use super::problem::Problem;

/// A response in plain text.
pub fn text(status: StatusCode, body: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(full(body.into()));
    *response.status_mut() = status;
    response
}

/// A response in JSON (RFC 8259); 500 when the value has no JSON.
pub fn json(status: StatusCode, value: &(impl Serialize + ?Sized)) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(document) => of_type(content_type::JSON, status, document),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("encode the response: {error}\n")),
    }
}

/// A response whose content has this media type.
pub fn of_type(media_type: &'static str, status: StatusCode, content: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(content));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

impl Problem {
    /// The response that carries this problem.
    pub fn into_response(mut self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = std::mem::take(&mut self.headers);
        let document = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = of_type(content_type::PROBLEM_JSON, status, document);
        response.headers_mut().extend(headers);
        response
    }
}

/// What a handler may return: a response, or a result whose error is a [`Problem`]. The server then says which hop
/// the problem is from.
pub trait HandlerResult: Send {
    /// The response, in the name of `hop`.
    fn response_of(self, hop: &str) -> Response<Body>;
}

impl HandlerResult for Response<Body> {
    fn response_of(self, _hop: &str) -> Response<Body> {
        self
    }
}

impl<E: Into<Box<Problem>> + Send> HandlerResult for Result<Response<Body>, E> {
    fn response_of(self, hop: &str) -> Response<Body> {
        self.unwrap_or_else(|problem| problem.into().at(hop).into_response())
    }
}
