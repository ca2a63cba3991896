//! What commands reply, and how it looks on the wire in RESP2 and RESP3.
//!
//! Written after the RESP specification, <https://redis.io/docs/latest/develop/reference/protocol-spec/>.

use std::borrow::Cow;

use bytes::Bytes;

use crate::text::decimal;

/// The largest reply to one command, in bytes. A request of a few bytes can name the same large value
/// a million times (`MGET k k k ...`), so the reply needs a bound of its own.
pub(crate) const REPLY_LIMIT: usize = 64 << 20;
/// A connection keeps memory of this size for its next replies, in bytes.
const KEPT: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    /// A simple string, such as `+OK`.
    Status(&'static str),
    /// `-ERR ...`, complete with its code.
    Error(Cow<'static, str>),
    Integer(i64),
    Bulk(Bytes),
    /// Text for humans: a verbatim string in RESP3, a bulk string in RESP2.
    Text(String),
    Null,
    /// An absent array; the same null as every other in RESP3.
    NullArray,
    Array(Vec<Reply>),
    /// Pairs: a map in RESP3, a flat array in RESP2.
    Map(Vec<(Reply, Reply)>),
}

/// An error that a command ends with; the text that goes on the wire, complete with its code.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure(pub(crate) Cow<'static, str>);

/// What a command's function returns.
pub(crate) type CommandResult = Result<Reply, Failure>;

pub(crate) const WRONG_TYPE: Failure =
    Failure(Cow::Borrowed("WRONGTYPE Operation against a key holding the wrong kind of value"));
pub(crate) const SYNTAX: Failure = Failure(Cow::Borrowed("ERR syntax error"));
pub(crate) const NOT_AN_INTEGER: Failure =
    Failure(Cow::Borrowed("ERR value is not an integer or out of range"));

/// A failure with a text of its own: `failure("ERR no such key")`.
pub(crate) fn failure(text: impl Into<Cow<'static, str>>) -> Failure {
    Failure(text.into())
}

impl Reply {
    pub(crate) const OK: Self = Self::Status("OK");

    pub(crate) fn count(number: usize) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }

    pub(crate) fn bulk(bytes: impl Into<Bytes>) -> Self {
        Self::Bulk(bytes.into())
    }

    pub(crate) fn or_null(value: Option<Bytes>) -> Self {
        value.map_or(Self::Null, Self::Bulk)
    }
}

/// The replies of one batch, encoded as they are made, so that a transaction of many large replies never
/// exists as a tree.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Where the reply to the current command begins.
    start: usize,
    /// Error replies so far, those within EXEC's array included.
    errors: usize,
}

impl Output {
    /// How many error replies there are.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Forgets everything but the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.start, self.errors) = (0, 0);
    }

    /// Takes over the memory of replies that were sent, unless it is much.
    pub(crate) fn reuse(&mut self, mut sent: Output) {
        if sent.bytes.capacity() <= KEPT {
            sent.clear();
            *self = sent;
        }
    }

    /// Begins the reply to one command.
    pub(crate) fn begin(&mut self) {
        self.start = self.bytes.len();
    }

    /// Ends the reply to one command: one that grew past the limit becomes an error.
    pub(crate) fn end(&mut self) {
        if self.full() {
            self.bytes.truncate(self.start);
            let text = "ERR the reply is larger than 64 MiB and was not sent; what the command wrote is kept";
            self.put(&Reply::Error(text.into()), false);
        }
    }

    /// Begins an array of so many replies.
    pub(crate) fn array(&mut self, length: usize) {
        self.number(b'*', length);
    }

    /// Takes back what was replied since [`Output::begin`].
    pub(crate) fn take_back(&mut self) {
        self.bytes.truncate(self.start);
    }

    /// Adds one reply.
    pub(crate) fn put(&mut self, reply: &Reply, resp3: bool) {
        if self.full() {
            return;
        }
        self.errors += usize::from(matches!(reply, Reply::Error(_)));
        match reply {
            Reply::Status(text) => self.line(b'+', text.as_bytes()),
            // An error is one line: whatever a client put into it must not end it early.
            Reply::Error(text) if text.contains(['\r', '\n']) => {
                self.line(b'-', text.replace(['\r', '\n'], " ").as_bytes());
            }
            Reply::Error(text) => self.line(b'-', text.as_bytes()),
            Reply::Integer(number) => match usize::try_from(*number) {
                Ok(number) => self.number(b':', number),
                Err(_) => self.line(b':', number.to_string().as_bytes()),
            },
            Reply::Bulk(bytes) => self.string(b'$', b"", bytes),
            Reply::Text(text) if resp3 => self.string(b'=', b"txt:", text.as_bytes()),
            Reply::Text(text) => self.string(b'$', b"", text.as_bytes()),
            Reply::Null | Reply::NullArray if resp3 => self.line(b'_', b""),
            Reply::Null => self.line(b'$', b"-1"),
            Reply::NullArray => self.line(b'*', b"-1"),
            Reply::Array(items) => {
                self.array(items.len());
                items.iter().for_each(|item| self.put(item, resp3));
            }
            Reply::Map(pairs) => {
                if resp3 {
                    self.number(b'%', pairs.len());
                } else {
                    self.array(2 * pairs.len());
                }
                for (key, value) in pairs {
                    self.put(key, resp3);
                    self.put(value, resp3);
                }
            }
        }
    }

    fn full(&self) -> bool {
        self.bytes.len() - self.start > REPLY_LIMIT
    }

    fn number(&mut self, kind: u8, number: usize) {
        self.bytes.push(kind);
        decimal(number as u64, &mut self.bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn string(&mut self, kind: u8, prefix: &[u8], text: &[u8]) {
        self.number(kind, prefix.len() + text.len());
        self.bytes.extend_from_slice(prefix);
        self.bytes.extend_from_slice(text);
        self.bytes.extend_from_slice(b"\r\n");
    }
}
