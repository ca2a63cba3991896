//! What the browser sends, and what comes back.

use bytes::Bytes;
use hyper::header::HeaderMap;
use hyper::{Method, StatusCode};
use journey::{Span, TraceId};

/// A request; who answers it is in the browser's [`Config`](crate::Config).
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `GET`.
    pub method: Method,
    /// The path, with its query.
    pub path: String,
    /// The body: JSON, unless a header says otherwise.
    pub body: Bytes,
    /// More headers; they replace the browser's own of the same name.
    pub headers: HeaderMap,
    /// Is the request recorded? Without, only its total is known.
    pub sampled: bool,
    /// The trace to record it in; a new one if `None`.
    pub trace_id: Option<TraceId>,
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The journey's name in the collector.
    pub trace_id: TraceId,
    /// What the last hop to answer says; an error status is a response, too.
    pub status: StatusCode,
    /// `Server-Timing` among them, in which every hop says how long it took.
    pub headers: HeaderMap,
    /// Complete; the connection is free for the next request.
    pub body: Bytes,
    /// From nothing (or from when it was due) to the last byte, by the monotonic clock, in nanoseconds.
    pub total_ns: u64,
    /// Likewise, but without the time for which it was overdue when the browser began.
    pub service_ns: u64,
    /// The response's head was there; from when the browser began, in nanoseconds.
    pub first_byte_ns: u64,
    /// How often the browser, having written, had to wait for the peer until the response was complete:
    /// round trips on its connection, those of a handshake included.
    pub turns: u32,
    /// What the browser did; give it to the collector.
    pub spans: Vec<Span>,
}

impl Request {
    /// `POST /cart/items`, as in the chapter.
    pub fn add_item(product: &str, quantity: u32) -> Self {
        let body = serde_json::json!({ "productId": product, "quantity": quantity }).to_string();
        let body = Bytes::from(body);
        Request { method: Method::POST, path: "/cart/items".to_owned(), body, ..Request::get("/cart") }
    }

    /// `GET /cart`.
    pub fn cart() -> Self {
        Request::get("/cart")
    }

    /// `GET` of a path.
    pub fn get(path: &str) -> Self {
        Request {
            method: Method::GET,
            path: path.to_owned(),
            body: Bytes::new(),
            headers: HeaderMap::new(),
            sampled: true,
            trace_id: None,
        }
    }
}
