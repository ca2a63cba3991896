//! Messages in a stream of bytes, each with its length before it in two bytes (RFC 1035 §4.2.2, RFC 7766 §8):
//! the framing that both ends of a DNS connection over TCP use.

use std::io;

use hickory_proto::op::Message;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::message::response_to;

/// Reads messages from a stream.
///
/// It never reads beyond the message that it returns, so that what the stream has read then is this
/// message's last byte.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    /// The beginning of the message being read, its length included.
    partial: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Frames<S> {
    /// Begins with the stream's next byte.
    pub fn new(stream: S) -> Self {
        Frames { stream, partial: Vec::new() }
    }

    /// The next message; `None` when the stream ended between two. May be dropped and called again
    /// without losing a byte.
    ///
    /// # Errors
    /// The stream broke, or ended inside a message.
    pub async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let wanted = match self.partial.first_chunk::<2>() {
                None => 2,
                Some(length) => 2 + usize::from(u16::from_be_bytes(*length)),
            };
            let have = self.partial.len();
            if have >= 2 && have == wanted {
                return Ok(Some(std::mem::take(&mut self.partial).split_off(2)));
            }
            // No more memory than bytes have come, give or take a kibibyte: a length is only a promise.
            let mut buffer = [0; 1024];
            let step = buffer.len().min(wanted - have);
            match self.stream.read(&mut buffer[..step]).await? {
                0 if have == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.partial.extend_from_slice(&buffer[..read]),
            }
        }
    }
}

/// A message with its length before it, to be written at once: two writes would be two packets.
/// `None` when it is longer than two bytes can say.
pub fn framed(message: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(message.len()).ok()?;
    Some([&length.to_be_bytes(), message].concat())
}

/// Sends a query over a connection, its length and itself in one write.
///
/// # Errors
/// The stream broke, or the query is too long to be framed.
pub async fn write_query(stream: &mut (impl AsyncWrite + Unpin), query: &Message) -> io::Result<()> {
    let bytes = query.to_vec().map_err(io::Error::other)?;
    let framed = framed(&bytes).ok_or_else(|| io::Error::other("the query is too long"))?;
    stream.write_all(&framed).await
}

/// Reads messages until one is the response to `query`; nothing beyond it is read. Whatever else the server
/// sends is left lying, as over UDP: the caller says when it has been long enough.
///
/// # Errors
/// The stream broke or ended, or the response cannot be read.
pub async fn read_response(stream: &mut (impl AsyncRead + Unpin), query: &Message) -> io::Result<Message> {
    let mut frames = Frames::new(stream);
    while let Some(message) = frames.next().await? {
        match response_to(query, &message) {
            Some(response) => return response,
            None => {
                tracing::debug!(length = message.len(), "message that responds to no query of ours: ignored")
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection without a response"))
}

#[cfg(test)]
mod tests;
