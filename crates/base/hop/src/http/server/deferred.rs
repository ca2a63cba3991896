//! Writes that wait for the client to speak first.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Keeps what is written until the client has said something.
///
/// A server may send its SETTINGS at once (RFC 9113 §3.4). They would then share a segment with the end of the TLS
/// handshake, or not, as chance has it; and a client that never speaks is owed nothing.
pub(super) struct DeferredWrites<I> {
    io: I,
    spoken_to: bool,
    kept: BytesMut,
}

impl<I: AsyncWrite + Unpin> DeferredWrites<I> {
    pub(super) fn new(io: I) -> Self {
        DeferredWrites { io, spoken_to: false, kept: BytesMut::new() }
    }

    fn poll_kept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.spoken_to && !self.kept.is_empty() {
            match ready!(Pin::new(&mut self.io).poll_write(context, &self.kept))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.kept.advance(count),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for DeferredWrites<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.io).poll_read(context, buffer));
        self.spoken_to = true;
        Poll::Ready(read)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for DeferredWrites<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.spoken_to {
            self.kept.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_kept(context))?;
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_kept(context))?;
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_kept(context))?;
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
