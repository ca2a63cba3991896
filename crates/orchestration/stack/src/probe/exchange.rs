//! Bytes there, bytes back, and how they are shown to people.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::refusal::Refusal;

/// How long one probe may take: less than a user waits for, more than a program takes that only starts.
pub(super) const LIMIT: Duration = Duration::from_secs(2);
/// So much of an answer is shown, in bytes.
const SHOWN: usize = 100;
/// No more of it is read, in bytes.
const MOST: usize = 4096;

/// What came back.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) bytes: Vec<u8>,
    end: End,
}

#[derive(Debug)]
enum End {
    /// It is all that was waited for.
    Enough,
    Closed,
    Broken(io::Error),
    Silent,
}

impl Heard {
    /// As a sentence: what came, or how nothing came.
    pub(super) fn shown(&self) -> String {
        if !self.bytes.is_empty() {
            return quoted(&self.bytes);
        }
        match &self.end {
            End::Enough | End::Closed => "nothing: it closed the connection".to_owned(),
            End::Broken(error) => format!("nothing: {}", error.kind()),
            End::Silent => format!("nothing within {LIMIT:?}, though it accepted the connection"),
        }
    }

    /// The same, with what it is not; who said nothing said nothing wrong.
    pub(super) fn is_no(&self, protocol: &str) -> String {
        let none = if self.bytes.is_empty() { String::new() } else { format!(", which is no {protocol}") };
        self.shown() + &none
    }
}

/// The beginning of an answer, as it can be printed.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let more = if bytes.len() > SHOWN { "…" } else { "" };
    format!("\"{}{more}\"", bytes[..bytes.len().min(SHOWN)].escape_ascii())
}

/// A connection to whoever listens there.
pub(super) async fn connect(sent: &str, at: SocketAddr) -> Result<TcpStream, Refusal> {
    let refused = |why: String| Refusal {
        sent: format!("{sent} at {at}"),
        answered: format!("it accepts no connection ({why})"),
        wanted: String::new(),
    };
    match tokio::time::timeout(LIMIT, TcpStream::connect(at)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(refused(error.kind().to_string())),
        Err(_) => Err(refused(format!("nothing within {LIMIT:?}"))),
    }
}

/// Sends bytes, and reads until it is `enough`, nothing more comes, or `limit` has passed.
pub(super) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    send: &[u8],
    limit: Duration,
    enough: impl Fn(&[u8]) -> bool,
) -> Heard {
    let mut bytes = Vec::new();
    let talk = async {
        if let Err(error) = stream.write_all(send).await {
            return End::Broken(error);
        }
        while bytes.len() < MOST {
            match stream.read_buf(&mut bytes).await {
                Ok(0) => return End::Closed,
                Ok(_) if enough(&bytes) => break,
                Ok(_) => {}
                Err(error) => return End::Broken(error),
            }
        }
        End::Enough
    };
    let end = tokio::time::timeout(limit, talk).await.unwrap_or(End::Silent);
    Heard { bytes, end }
}
