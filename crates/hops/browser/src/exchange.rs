//! One request and its response on a connection.

use std::time::Instant;

use anyhow::Context as _;
use bytes::Bytes;
use hop::http::{attributes, content_type};
use http_body_util::BodyExt as _;
use hyper::{header, http};
use journey::semconv::attribute;
use journey::{Kind, Traceparent};

use crate::body::MarkedBody;
use crate::config::Config;
use crate::connect::Connection;
use crate::recorder::Recorder;
use crate::request::Request;

/// A response, when its head was there, and when its last byte was: by the monotonic clock, and in nanoseconds since
/// the Unix epoch.
pub(crate) struct Received {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Bytes,
    pub(crate) first_byte: Instant,
    pub(crate) closed: Instant,
    pub(crate) end: u64,
}

/// Sends the request, and waits for the whole response; together a CLIENT span, whose context every hop behind gets.
pub(crate) async fn exchange(
    config: &Config,
    connection: &mut Connection,
    request: &Request,
    recorder: &mut Recorder,
) -> anyhow::Result<Received> {
    let begun = hop::clock::now();
    let span_id = hop::trace::new_span_id();
    let (before_sent, before_read) = (connection.stamps.last_write(), connection.stamps.last_read());
    let (body, sent) = MarkedBody::new(request.body.clone(), connection.stamps.clone());
    let context = Traceparent { trace_id: recorder.trace_id, parent: span_id, sampled: request.sampled };
    let message = message(config, request, context, body)?;
    let failed = || {
        format!(
            "send {} to the lb at {}: it broke off, so it is the lb that is not well (`lab status`)",
            request.path,
            connection.stamps.flow().server,
        )
    };
    let response = connection.sender.send(message).await.with_context(failed)?;
    let first_byte = hop::clock::monotonic();
    let (head, body) = response.into_parts();
    let body = body.collect().await.with_context(failed)?.to_bytes();
    let (closed, end) = hop::clock::both();

    let (sent, read) = (sent.mark(), connection.stamps.last_read());
    let mut span = recorder
        .span(Kind::Client, format!("{} {}", request.method, request.path), (begun, end))
        .with(attribute::HTTP_REQUEST_SIZE, sent.offset - before_sent.offset)
        .with(attribute::HTTP_RESPONSE_SIZE, read.offset - before_read.offset)
        .with(attribute::CONNECTION_REUSED, connection.used);
    let url = attributes::url("https", format_args!("{}:{}", config.host, config.port), &request.path);
    span = attributes::client_request(span, &request.method, url, config.host.clone(), config.port);
    span = attributes::client_response(span, head.status);
    span.span_id = span_id;
    span.stamps.push(connection.stamps.write_stamp(sent));
    span.stamps.extend(connection.stamps.read_stamps(read));
    recorder.spans.push(span);
    connection.used = true;
    Ok(Received { head, body, first_byte, closed, end })
}

fn message(
    config: &Config,
    request: &Request,
    context: Traceparent,
    body: MarkedBody,
) -> anyhow::Result<http::Request<MarkedBody>> {
    let mut message = http::Request::builder()
        .method(request.method.clone())
        .uri(format!("https://{}:{}{}", config.host, config.port, request.path))
        .header(header::USER_AGENT, concat!("request-journey-lab/", env!("CARGO_PKG_VERSION")))
        .header(hop::trace::TRACEPARENT, context.to_string());
    if let Some(token) = &config.token {
        message = message.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    if !request.body.is_empty() {
        message = message.header(header::CONTENT_TYPE, content_type::JSON);
    }
    let mut message = message.body(body).context("build the request")?;
    for (name, value) in &request.headers {
        message.headers_mut().insert(name.clone(), value.clone());
    }
    Ok(message)
}

/// Does the error say that the server did not process the request?
///
/// It was never written; or the server said GOAWAY and that this stream is none of those that it finishes,
/// or refused the stream (RFC 9113 §6.8, §8.7).
pub(crate) fn was_not_processed(error: &anyhow::Error) -> bool {
    let Some(error) = error.downcast_ref::<hyper::Error>() else { return false };
    let http2 = std::error::Error::source(error).and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_canceled()
        || http2.is_some_and(|error| match error.reason() {
            Some(h2::Reason::NO_ERROR) => error.is_go_away() && error.is_remote(),
            Some(h2::Reason::REFUSED_STREAM) => error.is_remote(),
            _ => false,
        })
}
