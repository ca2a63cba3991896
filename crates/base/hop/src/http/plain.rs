//! HTTP/1.1 beside the journey: what programs tell each other about the stack, without stamps and without spans.
//!
//! The admin endpoints and the collector are served by it, and spans go to the collector by it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::body::BoxError;
use crate::accept;

/// Serves until the future is dropped: at most `connections` at once, each of which may be without a complete request
/// head for `head_time`; for ever without one.
pub async fn serve<H, R, B>(
    listener: TcpListener,
    connections: usize,
    head_time: Option<Duration>,
    handler: H,
) where
    H: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<B>> + Send + 'static,
    B: hyper::body::Body<Error: Into<BoxError>, Data: Send> + Send + 'static,
{
    let forever = CancellationToken::new();
    accept::run_plain(listener, connections, &forever, Duration::ZERO, |stream, _| {
        let handler = handler.clone();
        let service = service_fn(move |request| {
            let response = handler(request);
            async move { Ok::<_, Infallible>(response.await) }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(head_time);
        async move {
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "plain HTTP connection");
            }
        }
    })
    .await;
}

/// One connection to a server, for one request after the other.
pub struct Connection {
    to: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The server has not seen the request, or wants it again later: it can be sent again.
    #[error(transparent)]
    Unseen(anyhow::Error),
    /// It may have been seen, or was refused: sending it again would be wrong.
    #[error(transparent)]
    Lost(anyhow::Error),
}

impl Connection {
    /// Connects to a server.
    ///
    /// # Errors
    /// It is not there.
    pub async fn open(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(to).await.with_context(|| format!("connect to {to}"))?;
        stream.set_nodelay(true)?;
        let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(Connection { to, sender })
    }

    /// The server it leads to.
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// Waits for the response to the last request to be over; false when the server has ended the connection.
    pub async fn is_ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a request and returns the response's head; its body follows (see [`whole`]).
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, SendError> {
        self.sender.try_send_request(request).await.map_err(|mut error| {
            match error.take_message().is_some() {
                true => SendError::Unseen(error.into_error().into()),
                false => SendError::Lost(error.into_error().into()),
            }
        })
    }
}

/// The connection to one server that is kept between requests.
pub struct Kept {
    to: SocketAddr,
    connection: Option<Connection>,
}

impl Kept {
    /// To a server that need not be there yet.
    pub fn new(to: SocketAddr) -> Self {
        Kept { to, connection: None }
    }

    /// The server.
    pub fn to(&self) -> SocketAddr {
        self.to
    }

    /// Takes the connection that is kept, or makes one: there is none, or the server has ended it.
    ///
    /// # Errors
    /// The server is not there.
    pub async fn take(&mut self) -> anyhow::Result<Connection> {
        if let Some(mut connection) = self.connection.take()
            && connection.is_ready().await
        {
            return Ok(connection);
        }
        Connection::open(self.to).await
    }

    /// Keeps a connection for the next request.
    pub fn keep(&mut self, connection: Connection) {
        self.connection = Some(connection);
    }
}

/// Reads a response to its end.
///
/// # Errors
/// It broke off, or has more than `limit` bytes.
pub async fn whole(response: Response<Incoming>, limit: usize) -> anyhow::Result<Response<Bytes>> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, limit).collect().await.map_err(anyhow::Error::from_boxed)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
