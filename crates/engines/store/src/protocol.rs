//! Requests: from bytes to commands, as a Redis client writes them.
//!
//! By hand instead of with the `redis-protocol` crate: that one starts over at every call, so a large
//! request that arrives in pieces costs quadratic time, and it knows neither inline commands nor Redis's
//! error texts. Requests are a small part of RESP: arrays of bulk strings. The crate reads our *replies* in
//! the tests, as an independent witness.

mod commands;

use crate::text::integer;

pub(crate) use commands::Commands;

/// The longest line: an inline command or a length. Redis's own limit.
const LINE_LIMIT: usize = 64 << 10;
/// A buffer of this size, in bytes, is kept when it is empty.
const KEPT_BUFFER: usize = 64 << 10;
/// The longest single argument, in bytes.
const ARGUMENT_LIMIT: usize = 16 << 20;
/// The most arguments of one command.
const ARGUMENTS_LIMIT: usize = 1 << 20;
/// The largest command, in bytes, counting [`ARGUMENT_COST`] for each argument.
const COMMAND_LIMIT: usize = 64 << 20;
/// What an argument costs us in memory besides its bytes.
const ARGUMENT_COST: usize = 32;

/// The client does not speak RESP. The text is Redis's; the connection ends with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ProtocolError(pub(crate) String);

/// The state of reading one client's requests. It never starts over: bytes are looked at once, however
/// slowly they come, and memory grows only with bytes that really came.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    /// Received, and from `start` on not yet understood.
    buffer: Vec<u8>,
    start: usize,
    /// How much of what is not understood was searched for a line's end in vain.
    searched: usize,
    /// Bytes understood since the connection began, and those of whole commands.
    consumed: u64,
    complete: u64,
    /// What is understood and not taken.
    commands: Commands,
    /// The array that is being read.
    partial: Option<Partial>,
}

/// The words that it has are the last ones of [`Parser::commands`].
#[derive(Debug)]
struct Partial {
    missing: usize,
    /// The announced length of the argument that comes next.
    length: Option<usize>,
    size: usize,
}

impl Parser {
    /// The stream offset after the last byte of the last complete command.
    pub(crate) fn offset(&self) -> u64 {
        self.complete
    }

    /// Where to put what is received next, with room for so many bytes. What is understood makes room first, so
    /// that a connection's requests come to the same few bytes of memory, which the processor has at hand.
    pub(crate) fn spare(&mut self, size: usize) -> &mut Vec<u8> {
        self.buffer.drain(..self.start);
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new(); // one large request does not keep its memory for ever
        }
        self.buffer.reserve(size);
        &mut self.buffer
    }

    /// How many bytes were received and not yet understood.
    pub(crate) fn waiting(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// The commands that are understood.
    pub(crate) fn commands(&self) -> &Commands {
        &self.commands
    }

    /// Takes them.
    pub(crate) fn take(&mut self) -> Commands {
        let unfinished = self.commands.split_unfinished();
        std::mem::replace(&mut self.commands, unfinished)
    }

    /// Forgets the last of them.
    pub(crate) fn drop_last(&mut self) {
        self.commands.truncate(self.commands.len() - 1);
    }

    /// Gives back the memory of commands that have run.
    pub(crate) fn recycle(&mut self, mut commands: Commands) {
        if self.commands == Commands::default() && commands.capacity() <= KEPT_BUFFER {
            commands.clear();
            self.commands = commands;
        }
    }

    /// Understands one more command; false until more bytes come.
    pub(crate) fn advance(&mut self) -> Result<bool, ProtocolError> {
        loop {
            if self.partial.is_none() {
                match self.rest().first() {
                    None => return Ok(false),
                    Some(b'*') => {
                        let Some(line) = self.line("too big mbulk count string")? else { return Ok(false) };
                        let Some(count) = integer(&line[1..]).filter(|n| *n <= ARGUMENTS_LIMIT as i64) else {
                            return fail("invalid multibulk length");
                        };
                        // An empty or null array is no command; Redis skips it.
                        let Some(missing) = usize::try_from(count).ok().filter(|n| *n > 0) else { continue };
                        // The announced count reserves nothing: a count costs the client nothing.
                        self.partial = Some(Partial { missing, length: None, size: 0 });
                    }
                    Some(_) => {
                        let Some(line) = self.line("too big inline request")? else { return Ok(false) };
                        let Some(words) = inline(line) else { return fail("unbalanced quotes in request") };
                        if words.is_empty() {
                            continue;
                        }
                        self.commands.push(words.iter().map(Vec::as_slice));
                        self.complete = self.consumed;
                        return Ok(true);
                    }
                }
            }
            if !self.argument()? {
                return Ok(false);
            }
            if self.partial.as_ref().is_some_and(|partial| partial.missing == 0) {
                self.partial = None;
                self.commands.end_command();
                self.complete = self.consumed;
                return Ok(true);
            }
        }
    }

    /// Reads one argument of the current array; false until it is complete.
    fn argument(&mut self) -> Result<bool, ProtocolError> {
        if self.partial.as_ref().is_some_and(|partial| partial.length.is_none()) {
            if let Some(other) = self.rest().first().filter(|byte| **byte != b'$') {
                return fail(format!("expected '$', got '{}'", char::from(*other)));
            }
            let Some(line) = self.line("too big bulk count string")? else { return Ok(false) };
            let length = integer(&line[1..])
                .and_then(|length| usize::try_from(length).ok())
                .filter(|length| *length <= ARGUMENT_LIMIT);
            let (Some(length), Some(partial)) = (length, &mut self.partial) else {
                return fail("invalid bulk length");
            };
            partial.size += length + ARGUMENT_COST;
            if partial.size > COMMAND_LIMIT {
                return fail("too big request");
            }
            partial.length = Some(length);
        }
        let Some(partial) = &mut self.partial else { return Ok(false) };
        let Some(length) = partial.length.filter(|length| self.buffer.len() - self.start >= length + 2)
        else {
            return Ok(false);
        };
        let argument = &self.buffer[self.start..self.start + length + 2];
        if !argument.ends_with(b"\r\n") {
            return fail("expected CRLF after bulk string");
        }
        self.commands.add_word(&argument[..length]);
        partial.missing -= 1;
        partial.length = None;
        self.start += length + 2;
        self.consumed += (length + 2) as u64;
        Ok(true)
    }

    /// Takes a line without its end (`\r\n` or, for people with netcat, `\n`).
    fn line(&mut self, too_long: &'static str) -> Result<Option<&[u8]>, ProtocolError> {
        let from = self.start + self.searched;
        match self.buffer[from..].iter().position(|byte| *byte == b'\n') {
            Some(at) if self.searched + at <= LINE_LIMIT => {
                let length = self.searched + at + 1;
                let line = &self.buffer[self.start..self.start + length - 1];
                self.searched = 0;
                self.start += length;
                self.consumed += length as u64;
                Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
            }
            None if self.waiting() <= LINE_LIMIT => {
                self.searched = self.waiting();
                Ok(None)
            }
            _ => fail(too_long),
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

fn fail<T>(text: impl Into<String>) -> Result<T, ProtocolError> {
    Err(ProtocolError(format!("ERR Protocol error: {}", text.into())))
}

/// Splits an inline command into words; none when a quote is left open. `"..."` knows `\n`, `\xHH` and
/// friends, `'...'` only `\'`; a closing quote ends its word.
fn inline(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii();
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            rest = match rest {
                [] => break,
                [b'"', after @ ..] => double_quoted(after, &mut word)?,
                [b'\'', after @ ..] => single_quoted(after, &mut word)?,
                [space, ..] if space.is_ascii_whitespace() => break,
                [byte, after @ ..] => {
                    word.push(*byte);
                    after
                }
            };
        }
        words.push(word);
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digits = [*high, *low];
                word.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                after
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [b'"', after @ ..] => return ends(after),
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [b'\'', after @ ..] => return ends(after),
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
        };
    }
}

/// After a closing quote only a space or the end may follow.
fn ends(rest: &[u8]) -> Option<&[u8]> {
    rest.first().is_none_or(u8::is_ascii_whitespace).then_some(rest)
}

#[cfg(test)]
mod tests;
