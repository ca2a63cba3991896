//! Hops inside the test, and a client that stamps what it sends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hop::http::forward::{Position, Via, trailers};
use hop::http::server::{Limits, Protocol, RequestBody, Server};
use hop::http::{Body, BoxError, Client, Exchange, forward, full};
use hop::stamped::Stamped;
use hop::{CancellationToken, Hop, Mark, Stamps, Telemetry, wait};
use http_body_util::BodyExt as _;
use hyper::body::Frame;
use hyper::client::conn::{http1, http2};
use hyper::header::HeaderMap;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use journey::{Kind, Span};
use tokio::net::TcpStream;

/// Long: only a broken test waits for it.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A hop that is being served.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    /// Where it speaks HTTP/2.
    pub(crate) http2: SocketAddr,
    pub(crate) telemetry: Telemetry,
    pub(crate) stop: CancellationToken,
    pub(crate) done: tokio::task::JoinHandle<()>,
}

impl Running {
    pub(crate) async fn start<H, R>(name: &str, limits: Limits, handler: H) -> Self
    where
        H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start_with(name, limits, Telemetry::memory(name), LIMIT, handler).await
    }

    pub(crate) async fn start_with<H, R>(
        name: &str,
        limits: Limits,
        telemetry: Telemetry,
        drain: Duration,
        handler: H,
    ) -> Self
    where
        H: Fn(Request<RequestBody>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let hop = Hop::for_tests(name, telemetry.clone(), stop.clone());
        let listen = || hop::listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let (first, second) = (listen(), listen());
        let (address, http2) = (first.local_addr().unwrap(), second.local_addr().unwrap());
        let server = Server::new(&hop, limits, handler);
        let token = stop.clone();
        let serve = move |listener, protocol| {
            let (server, token) = (server.clone(), token.clone());
            async move {
                hop::accept::run(listener, 256, &token, drain, |stream: Stamped<TcpStream>, stop| {
                    let stamps = stream.stamps();
                    server.clone().serve(stream, protocol, stamps, stop)
                })
                .await;
            }
        };
        let done = tokio::spawn(async move {
            tokio::join!(serve(first, Protocol::Http1), serve(second, Protocol::Http2));
        });
        Running { address, http2, telemetry, stop, done }
    }

    /// Waits for exactly `count` spans of a kind.
    pub(crate) async fn spans(&self, kind: Kind, count: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        let what = format!("{count} spans of {kind:?}");
        let found = wait::until(what, LIMIT, async || {
            spans.extend(self.telemetry.take());
            let of_kind = spans.iter().filter(|span| span.kind == kind).count();
            (of_kind >= count).then_some(())
        });
        if let Err(error) = found.await {
            panic!("{error}; there are {spans:#?}");
        }
        spans.retain(|span| span.kind == kind);
        assert_eq!(spans.len(), count, "{spans:#?}");
        spans
    }

    pub(crate) async fn span(&self, kind: Kind) -> Span {
        self.spans(kind, 1).await.remove(0)
    }
}

/// Answers with what the query asks for: `/?bytes=N` (known length), `/?chunks=N` (unknown length).
pub(crate) async fn origin() -> Running {
    Running::start("origin", Limits::default(), |request| async move {
        let query = request.uri().query().unwrap_or("").to_owned();
        let requested = request.into_body().collect().await.unwrap().to_bytes().len();
        let mut response = match query.split_once('=') {
            Some(("bytes", count)) => Response::new(full(vec![b'x'; count.parse().unwrap()])),
            Some(("chunks", count)) => Response::new(chunks(count.parse().unwrap())),
            _ => Response::new(full("")),
        };
        response.headers_mut().insert("x-asked", requested.into());
        response
    })
    .await
}

/// Passes everything on to `next`.
pub(crate) async fn proxy(next: SocketAddr, client: Client, limits: Limits) -> Running {
    Running::start("proxy", limits, move |request| {
        let client = client.clone();
        async move { pass_on(&client, next, request).await }
    })
    .await
}

pub(crate) async fn pass_on(
    client: &Client,
    next: SocketAddr,
    request: Request<RequestBody>,
) -> Response<Body> {
    let exchange = Exchange::current();
    let (mut head, body) = request.into_parts();
    let host = forward::authority(&mut head).map(|host| host.to_string()).unwrap_or_default();
    let (client_side, version) = (exchange.stamps().flow().client, head.version);
    let via = Via { client: client_side, scheme: "http", host: Some(&host), version, by: "proxy" };
    let back = forward::outgoing(&mut head, &via, Position::Edge);
    let body = trailers::pass(body.map_err(BoxError::from).boxed_unsync(), true);
    let response = client.send(next, Request::from_parts(head, body)).await;
    let response = response.map_err(|error| Box::new(error.problem()));
    let response = response.and_then(|response| back.response(response, "the upstream"));
    response.unwrap_or_else(|problem| problem.at("proxy").into_response())
}

/// A body that does not say how long it will be.
pub(crate) fn chunks(length: usize) -> Body {
    let pieces = vec![b'c'; length].chunks(5_000).map(Bytes::copy_from_slice).collect();
    Chunks(pieces).map_err(|never| match never {}).boxed_unsync()
}

struct Chunks(VecDeque<Bytes>);

impl hyper::body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// A client with one connection, whose bytes it counts.
pub(crate) struct Caller {
    sender: Sender,
    pub(crate) stamps: Stamps,
}

/// What came back, and when which byte passed the caller's socket.
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) sent: Mark,
    pub(crate) received: Mark,
}

impl Caller {
    pub(crate) async fn http1(to: SocketAddr) -> Self {
        let stream = Stamped::connect(to).await.unwrap();
        let stamps = stream.stamps();
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        Caller { sender: Sender::One(sender), stamps }
    }

    /// HTTP/2 with prior knowledge, and a window smaller than the larger bodies.
    pub(crate) async fn http2(to: SocketAddr) -> Self {
        let stream = Stamped::connect(to).await.unwrap();
        let stamps = stream.stamps();
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(20_000).initial_connection_window_size(70_000);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(driver);
        Caller { sender: Sender::Two(sender), stamps }
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Body>,
    ) -> hyper::Result<Response<hyper::body::Incoming>> {
        match &mut self.sender {
            Sender::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub(crate) async fn fetch(&mut self, request: Request<Body>) -> Fetched {
        let (head, body) = self.send(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let (sent, received) = (self.stamps.last_write(), self.stamps.last_read());
        Fetched { status: head.status, headers: head.headers, body, sent, received }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::One(sender) => sender.is_closed(),
            Sender::Two(sender) => sender.is_closed(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Fetched {
        self.fetch(request(Method::GET, path, full(""))).await
    }
}

pub(crate) fn request(method: Method, path: &str, body: Body) -> Request<Body> {
    let uri = format!("http://shop.test{path}");
    Request::builder().method(method).uri(uri).header("host", "shop.test").body(body).unwrap()
}
