//! A client so plain that it hides nothing: words out, replies back as they came, with their types.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that takes longer than this for one reply is stuck.
const LIMIT: Duration = Duration::from_secs(20);

/// One reply with the type byte that it had on the wire, so that a RESP3 null is not a RESP2 null.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reply {
    /// `+`, `-`, `:`, `_`, `#`, `,`, `(`: one line.
    Line(char, String),
    /// `$`, `=`: counted bytes, shown escaped; none for RESP2's null.
    Bulk(char, Option<String>),
    /// `*`, `%`, `~`, `>`: replies (a map's keys and values in turn); none for RESP2's null.
    List(char, Option<Vec<Reply>>),
}

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends one command and reads its reply.
    pub(crate) fn call(&mut self, words: &[Vec<u8>]) -> io::Result<Reply> {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            bytes.extend_from_slice(word);
            bytes.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&bytes)?;
        self.reply()
    }

    /// [`Client::call`] for words without spaces.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<Reply> {
        self.call(&text.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    fn reply(&mut self) -> io::Result<Reply> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut rest = line.chars();
        let kind = rest.next().ok_or(io::ErrorKind::InvalidData)?;
        let rest = rest.as_str();
        let length = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            '$' | '=' => {
                Reply::Bulk(kind, usize::try_from(length()?).ok().map(|n| self.bulk(n)).transpose()?)
            }
            '*' | '~' | '>' | '%' => {
                let items = usize::try_from(length()?).ok().map(|n| if kind == '%' { 2 * n } else { n });
                let read = |items| (0..items).map(|_| self.reply()).collect::<io::Result<_>>();
                Reply::List(kind, items.map(read).transpose()?)
            }
            _ => Reply::Line(kind, rest.to_owned()),
        })
    }

    fn bulk(&mut self, length: usize) -> io::Result<String> {
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes[..length].escape_ascii().to_string())
    }
}
