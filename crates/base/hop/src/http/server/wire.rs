//! The wire below hyper's HTTP/1.1: writes what hyper cannot.
//!
//! * 1xx responses that a handler sends (hyper writes 100 only).
//! * A body for the replies that hyper makes itself, to requests that it could not read: they never reach
//!   a handler, and hyper gives them a head only.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use hyper::{Response, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::informational::Queue;
use crate::clock;
use crate::http::{Fault, Problem, content_type};

pub(super) struct Wire<I> {
    io: I,
    hop: Arc<str>,
    activity: Arc<Activity>,
    informational: Arc<Queue>,
    /// What is to be written before anything else.
    ours: BytesMut,
    /// All that hyper has written is with the socket: here something may be put in between.
    at_boundary: bool,
    /// Requests whose responses had been written entirely at the last flush.
    responded: u64,
}

impl<I: AsyncWrite + Unpin> Wire<I> {
    pub(super) fn new(io: I, hop: Arc<str>, activity: Arc<Activity>, informational: Arc<Queue>) -> Self {
        let (ours, at_boundary) = (BytesMut::new(), true);
        Wire { io, hop, activity, informational, ours, at_boundary, responded: 0 }
    }

    /// Writes what waits to be written before hyper's next bytes.
    fn poll_ours(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.at_boundary {
            while let Poll::Ready(response) = self.informational.poll_next(context) {
                append_head(&mut self.ours, &response);
            }
        }
        while !self.ours.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(context, &self.ours))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.ours.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Is hyper answering by itself? Then no request has reached a handler since all was written.
    fn is_own_reply(&self) -> bool {
        self.at_boundary && !self.activity.is_running() && self.activity.begun() == self.responded
    }

    /// Replaces a reply that hyper made by one that says more.
    fn replace(&mut self, head: &[u8]) -> bool {
        // `HTTP/1.1 431 …`
        let status = head.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
        let Some(status) = status.filter(StatusCode::is_client_error) else { return false };
        let (kind, detail) = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                ("head-too-large", "the request's head is too large")
            }
            StatusCode::URI_TOO_LONG => ("target-too-long", "the request's target is too long"),
            _ => ("bad-request", "the request's head is not HTTP/1.1 (RFC 9112 §2)"),
        };
        let response = Problem::new(status, Fault::Client, kind, detail).at(&self.hop);
        let body = serde_json::to_vec(&response).unwrap_or_default();
        self.ours.extend_from_slice(
            format!(
                "HTTP/1.1 {status}\r\ncontent-type: {}\r\ncontent-length: {}\r\n\
             connection: close\r\ndate: {}\r\nserver-timing: {};dur=0.000\r\n\r\n",
                content_type::PROBLEM_JSON,
                body.len(),
                clock::http_date(),
                self.hop,
            )
            .as_bytes(),
        );
        self.ours.extend_from_slice(&body);
        true
    }
}

/// `HTTP/1.1 103 Early Hints` and its fields.
fn append_head(out: &mut BytesMut, response: &Response<()>) {
    out.extend_from_slice(format!("HTTP/1.1 {}\r\n", response.status()).as_bytes());
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

impl<I: AsyncRead + Unpin> AsyncRead for Wire<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Wire<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ours(context))?;
        if self.is_own_reply() && self.replace(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.at_boundary = false;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ours(context))?;
        if self.is_own_reply()
            && let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && self.replace(first)
        {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        self.at_boundary = false;
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written everything.
        self.at_boundary = true;
        if !self.activity.is_running() {
            self.responded = self.activity.begun();
        }
        ready!(self.poll_ours(context))?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_ours(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
