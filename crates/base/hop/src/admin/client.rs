//! The client of admin and control endpoints: one request on a connection of its own.
//!
//! Not [`crate::http::Client`]: these requests belong to no journey, so nothing is stamped, recorded or pooled.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header};

use super::guard::Secret;
use crate::http::plain::{self, Connection};

/// No endpoint takes longer, but for a measurement.
const LIMIT: Duration = Duration::from_secs(5);
/// No response is larger, in bytes: a measurement with all its journeys.
const BODY_LIMIT: usize = 256 << 20;

/// An endpoint's response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Also one that is no success: who sends the request decides.
    pub status: StatusCode,
    /// All of it.
    pub body: Bytes,
}

/// `GET path`.
///
/// # Errors
/// No connection, or no complete response within five seconds.
pub async fn get(to: SocketAddr, path: &str) -> anyhow::Result<Reply> {
    request(to, Method::GET, path, Bytes::new(), None, LIMIT).await
}

/// `POST path`, which changes something.
///
/// # Errors
/// As [`get`].
pub async fn post(
    to: SocketAddr,
    path: &str,
    body: impl Into<Bytes>,
    secret: &Secret,
) -> anyhow::Result<Reply> {
    request(to, Method::POST, path, body.into(), Some(secret), LIMIT).await
}

/// Any request, on a connection of its own; with the secret if it changes something.
///
/// # Errors
/// No connection, or no complete response within `limit`.
pub async fn request(
    to: SocketAddr,
    method: Method,
    path: &str,
    body: Bytes,
    secret: Option<&Secret>,
    limit: Duration,
) -> anyhow::Result<Reply> {
    let exchange = async {
        let mut connection = Connection::open(to).await?;
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, to.to_string())
            .header(header::CONNECTION, "close")
            .body(Full::new(body))?;
        if let Some(secret) = secret {
            request.headers_mut().insert(header::AUTHORIZATION, secret.bearer()?);
        }
        let response = connection.send(request).await?;
        let whole = plain::whole(response, BODY_LIMIT).await;
        let (head, body) = whole.with_context(|| format!("read the response of {to}"))?.into_parts();
        Ok(Reply { status: head.status, body })
    };
    tokio::time::timeout(limit, exchange)
        .await
        .with_context(|| format!("{to} did not answer {path} within {limit:?}"))?
}
