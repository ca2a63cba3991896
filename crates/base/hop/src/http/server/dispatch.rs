//! From a request that has been read to its response: is it acceptable, has enough of it come, what does the handler
//! say, and what of it is measured?

use std::sync::Arc;

use hyper::body::Body as _;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use journey::semconv::attribute;
use tokio::sync::Semaphore;

use super::activity::Running;
use super::idle_timeout::IdleTimeout;
use super::informational::Informational;
use super::limits::Limits;
use super::protection::{Protected, overloaded};
use super::request_body::{RequestBody, Source};
use super::response_body::ResponseBody;
use crate::http::validate::Host;
use crate::http::{Body, Exchange, Fault, Problem, attributes, empty, validate};
use crate::stamped::Stamps;
use crate::{Admin, Telemetry, clock};

/// Says of a request that it came before its predecessor on the connection had its response.
#[derive(Clone, Copy)]
pub(super) struct AfterPredecessor {
    /// When it could be handled: nanoseconds since the Unix epoch.
    pub(super) until: u64,
}

/// What all connections of a server have in common.
#[derive(Clone)]
pub(super) struct Dispatcher {
    pub(super) name: Arc<str>,
    /// What its clients' URLs begin with.
    pub(super) scheme: &'static str,
    pub(super) telemetry: Telemetry,
    pub(super) admin: Admin,
    pub(super) limits: Limits,
    pub(super) streaming: Arc<Semaphore>,
    pub(super) idle_timeout: Arc<IdleTimeout>,
    pub(super) handler: Arc<Protected>,
}

impl Dispatcher {
    /// One request, from its head to the head of its response.
    pub(super) async fn respond(
        &self,
        request: Request<Source>,
        stamps: Stamps,
        running: Running,
        informational: Informational,
    ) -> Response<ResponseBody> {
        let name = || format!("{} {}", request.method(), request.uri().path());
        let exchange = Exchange::begin(&self.telemetry, request.headers(), name, stamps);
        if request.body().is_end_stream() {
            exchange.request_ended();
        }
        if exchange.sampled() {
            exchange.attributes(attributes::server_request(&request, self.scheme));
            if let Some(AfterPredecessor { until }) = request.extensions().get() {
                exchange.attribute(attribute::PREDECESSOR_UNTIL, *until);
            }
        }
        let mut watch =
            Watch { dispatcher: self, exchange: Some(exchange.clone()), begun: clock::monotonic() };
        self.admin.metrics().request_began();
        let without_body = request.method() == Method::HEAD;
        let http1 = request.version() <= Version::HTTP_11;
        let expects = request.headers().contains_key(header::EXPECT) && request.version() > Version::HTTP_10;
        let go_on = (expects && !http1).then(|| informational.clone());
        let mut request = request
            .map(|source| RequestBody::new(source, exchange.clone(), self.limits.min_rate, expects, go_on));
        if let Some(interim) = informational.interim() {
            request.extensions_mut().insert(interim);
        }
        let mut response = match self.admit(&mut request, &running).await {
            Ok(()) if validate::is_about_the_server(request.uri()) => validate::about_the_server(),
            Ok(()) => match self.handler.call(request).await {
                Ok(response) => response,
                Err(problem) => problem.at(&self.name).into_response(),
            },
            Err(problem) => problem.at(&self.name).into_response(),
        };
        informational.close();
        match response.status() {
            // RFC 9110 §10.2.3, in seconds.
            StatusCode::SERVICE_UNAVAILABLE => {
                let retry = || HeaderValue::from_static("1");
                response.headers_mut().entry(header::RETRY_AFTER).or_insert_with(retry);
            }
            // RFC 9110 §15.5.9: what is left of the body would be taken for the next request.
            StatusCode::REQUEST_TIMEOUT if http1 => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        watch.exchange = None;
        let took = clock::since(watch.begun);
        self.admin.metrics().request_ended(response.status(), took, exchange.recorded());
        exchange.attributes(attributes::server_response(response.status()));
        exchange.server_timing(&self.name, response.headers_mut());
        let without_body = without_body
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || response.status().is_informational();
        // On HTTP/1.1 hyper knows that; on HTTP/2 it would send the body, and the peer reset the stream.
        if without_body && !http1 {
            response = without_content(response);
        }
        let length = if http1 { known_length(&response) } else { None };
        response.map(|inner| ResponseBody::new(inner, without_body, length, exchange, running))
    }

    /// Is this request acceptable, and has enough of it come for its handler to be called?
    async fn admit(&self, request: &mut Request<RequestBody>, running: &Running) -> Result<(), Box<Problem>> {
        let limits = &self.limits;
        let (bytes, fields) = head_size(request);
        if bytes > limits.head_bytes || fields > limits.headers {
            let detail = format!(
                "the request's head has {bytes} bytes and {fields} fields: at most {} and {} are read",
                limits.head_bytes, limits.headers
            );
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return Err(Box::new(Problem::new(status, Fault::Client, "head-too-large", detail)));
        }
        if let Some(host) = validate::check(request)? {
            request.extensions_mut().insert(Host(host));
        }
        if limits.hold == 0 || request.body().is_whole() || request.body().size_hint().lower() > limits.body {
            return Ok(());
        }
        if !converses(request.headers()) {
            request.body_mut().hold(limits.hold).await.map_err(|error| Box::new(error.problem()))?;
        }
        if !request.body().is_whole() {
            let permits = async {
                // First the connection's share, so that who has used it up stands in nobody's way.
                let share = Arc::clone(&running.connection().streaming).acquire_owned().await.ok()?;
                Some([share, Arc::clone(&self.streaming).acquire_owned().await.ok()?])
            };
            match tokio::time::timeout(limits.request_time, permits).await {
                Ok(Some(permits)) => request.body_mut().streams_by(permits),
                _ => return Err(Box::new(overloaded(limits.streaming, "long bodies are being read"))),
            }
        }
        Ok(())
    }
}

/// Only the head of a response: its `Content-Length` stays that of the content (RFC 9110 §8.6), which is not
/// sent (§9.3.2; RFC 9113 §8.1.1).
fn without_content(mut response: Response<Body>) -> Response<Body> {
    if let Some(length) = known_length(&response).filter(|length| *length > 0) {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response.map(|_| empty())
}

/// How many bytes an HTTP/1.1 response will have, if that is known beforehand.
fn known_length(response: &Response<Body>) -> Option<u64> {
    let header = || response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
    response.body().size_hint().exact().or_else(header)
}

/// Bytes of a head as HTTP/1.1 writes it (RFC 9112 §3, §5), and its fields.
fn head_size<B>(request: &Request<B>) -> (usize, usize) {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let line = request.method().as_str().len() + target + " HTTP/1.1\r\n\r\n".len() + 1;
    let fields =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    (line + fields.sum::<usize>(), request.headers().len())
}

/// Do the two sides take turns, so that the rest of the body comes only after some of the response?
fn converses(headers: &hyper::HeaderMap) -> bool {
    let grpc = |value: &HeaderValue| value.as_bytes().starts_with(b"application/grpc");
    headers.contains_key(header::EXPECT) || headers.get(header::CONTENT_TYPE).is_some_and(grpc)
}

/// Notices a client that goes away before its response: hyper then drops the future.
struct Watch<'a> {
    dispatcher: &'a Dispatcher,
    exchange: Option<Exchange>,
    begun: std::time::Instant,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            // 499 is nginx's code for this; no client sees it.
            let status = StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST);
            let took = clock::since(self.begun);
            self.dispatcher.admin.metrics().request_ended(status, took, exchange.recorded());
            exchange.cut_off("cancelled");
        }
    }
}
