//! HTTP/1.1 or HTTP/2 on a connection: the same request, the same response.

use anyhow::Context as _;
use hop::Stamped;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::HOST;
use hyper::http::{HeaderValue, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::client::TlsStream;

use crate::body::MarkedBody;
use crate::config::HttpVersion;

/// What sends requests on a connection.
pub(crate) enum Sender {
    Http1(http1::SendRequest<MarkedBody>),
    Http2(http2::SendRequest<MarkedBody>),
}

impl Sender {
    /// Begins HTTP. A task of its own reads and writes the connection from now on, until the sender is dropped.
    pub(crate) async fn begin(version: HttpVersion, stream: TlsStream<Stamped>) -> anyhow::Result<Self> {
        let io = TokioIo::new(stream);
        match version {
            HttpVersion::Http11 => {
                let (sender, driver) = http1::handshake(io).await.context("begin HTTP/1.1")?;
                tokio::spawn(async move { note(driver.await) });
                Ok(Sender::Http1(sender))
            }
            HttpVersion::Http2 => {
                let begun = http2::Builder::new(TokioExecutor::new()).handshake(io).await;
                let (sender, driver) = begun.context("begin HTTP/2")?;
                tokio::spawn(async move { note(driver.await) });
                Ok(Sender::Http2(sender))
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Sends a request whose target is a whole URL, and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<MarkedBody>,
    ) -> hyper::Result<Response<Incoming>> {
        match self {
            Sender::Http1(sender) => {
                origin_form(&mut request);
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => sender.send_request(request).await,
        }
    }
}

/// HTTP/1.1 says the path in the request line and the host in a field (RFC 9112 §3.2.1); HTTP/2 has pseudo-fields for
/// all of the URL (RFC 9113 §8.3.1).
fn origin_form(request: &mut Request<MarkedBody>) {
    let uri = request.uri();
    let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).parse();
    if let Some(host) = host {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    if let Ok(path) = path {
        *request.uri_mut() = path;
    }
}

fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "the browser's connection");
    }
}
