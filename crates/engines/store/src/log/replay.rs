//! Reading the append-only file back.
//!
//! The file is a row of pieces: groups (an annotation of ours and the commands it vouches for), other
//! annotations (Redis's `#TS:`), and bare commands (a file that Redis wrote). At each piece there are three
//! outcomes: it is whole; the file ends within it, or goes on with nothing but zeros (torn: to be cut off); or it is
//! damaged. Zeros are blocks that the file got before they were written, when power was lost.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use crate::commands::{Facts, execute};
use crate::database::Database;
use crate::protocol::Commands;
use crate::reply::Output;
use crate::session::Session;
use crate::text::unsigned;

const MARK: &str = "#GROUP:";
/// No line of the file is longer; Redis's own limit when it loads one.
const LINE_LIMIT: u64 = 128;

/// How much of the file is good, in bytes.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) good: u64,
    pub(crate) total: u64,
}

/// The one annotation that Redis writes (`aof-timestamp-enabled`).
const TIMESTAMP: &[u8] = b"#TS:";
/// The annotation that goes before a group of commands.
pub(crate) fn header(group: &[u8]) -> String {
    let line = format!("{MARK}{:016x}:{:08x}:", group.len(), crc32c::crc32c(group));
    format!("{line}{:08x}\r\n", crc32c::crc32c(line.as_bytes()))
}

/// Runs every command of the file on an empty database.
///
/// # Errors
/// The file can't be read, or it is damaged: the text says at which byte and what to do.
pub(crate) fn replay(path: &Path, database: &mut Database, facts: &Facts) -> anyhow::Result<Kept> {
    replay_until(path, u64::MAX, database, facts, &AtomicBool::new(false))
}

/// [`replay`] of so many bytes at most, and only until it is cancelled.
pub(crate) fn replay_until(
    path: &Path,
    length: u64,
    database: &mut Database,
    facts: &Facts,
    cancelled: &AtomicBool,
) -> anyhow::Result<Kept> {
    let file = File::open(path)?;
    let total = file.metadata()?.len().min(length);
    let mut source = Source { input: BufReader::with_capacity(1 << 16, file), position: 0, end: total };
    database.journal.muted = true;
    let (session, command, output) = Default::default();
    let mut replayer = Replayer { database, facts, session, command, output };
    // Where the last piece ended after which nothing was left open.
    let mut good = 0;
    while source.position < total {
        let start = source.position;
        anyhow::ensure!(!cancelled.load(Ordering::Acquire), "it was given up at byte {start}");
        match piece(&mut source, &mut replayer) {
            Ok(()) if replayer.session.transaction.is_none() => good = source.position,
            Ok(()) => {} // within MULTI: good only once its EXEC has come
            Err(Stop::Torn) => break,
            Err(Stop::Damaged(position, what)) => {
                // They begin here, or within the bytes that were taken for this piece.
                let zeros = zeros_from(path, total)?;
                if zeros <= start || zeros < source.position {
                    break;
                }
                let keys = replayer.database.len();
                anyhow::bail!(
                    "damaged at byte {position}: {what}; nothing was changed, and everything before byte {good} is \
                     whole ({keys} keys). \
                     Restore the file from a copy, or, giving up everything from byte {good} on, cut it: \
                     truncate -s {good} {}",
                    path.display()
                );
            }
            Err(Stop::Failed(error)) => {
                return Err(error).with_context(|| format!("read at byte {}", source.position));
            }
        }
    }
    replayer.database.journal.muted = false;
    Ok(Kept { good, total })
}

/// Why reading a piece ended early.
enum Stop {
    /// The file ends within the piece.
    Torn,
    /// The piece is not what the store writes: where, and what is wrong.
    Damaged(u64, String),
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

fn damaged<T>(position: u64, what: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Damaged(position, what.into()))
}

fn piece(source: &mut Source<impl BufRead>, replayer: &mut Replayer<'_>) -> Result<(), Stop> {
    let start = source.position;
    match source.peek()? {
        Some(b'*') => {
            source.command(&mut replayer.command)?;
            replayer.run(start)
        }
        Some(b'#') => {
            let line = source.line()?;
            if line.starts_with(TIMESTAMP) {
                return Ok(());
            }
            if !line.starts_with(MARK.as_bytes()) {
                // A mark of ours with a changed byte, or a file from a Redis that knows more than we do.
                return damaged(start, "an unknown annotation");
            }
            if replayer.session.transaction.is_some() {
                return damaged(start, "a group begins within a transaction");
            }
            let Some((length, checksum)) = read_header(&line) else {
                return damaged(start, "the group's annotation is not what was written");
            };
            let begin = source.position;
            let mut group = Vec::new();
            source.take(length, &mut group)?;
            if crc32c::crc32c(&group) != checksum {
                return damaged(start, format!("the group of {length} bytes is not what was written"));
            }
            replayer.group(begin, &group)
        }
        _ => damaged(start, "neither a command nor an annotation begins here"),
    }
}

fn read_header(line: &[u8]) -> Option<(u64, u32)> {
    let text = std::str::from_utf8(line).ok()?;
    let (rest, own) = text.split_at_checked(text.len().checked_sub(8)?)?;
    // Letter by letter: capital digits would mean the same, but nobody wrote them.
    if own != format!("{:08x}", crc32c::crc32c(rest.as_bytes())) {
        return None;
    }
    let (length, checksum) = rest.strip_prefix(MARK)?.strip_suffix(':')?.split_once(':')?;
    Some((u64::from_str_radix(length, 16).ok()?, u32::from_str_radix(checksum, 16).ok()?))
}

/// A file position that counts, over a file or a group.
struct Source<R> {
    input: R,
    position: u64,
    end: u64,
}

impl<R: BufRead> Source<R> {
    fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.input.fill_buf()?.first().copied())
    }

    /// A line without its end.
    fn line(&mut self) -> Result<Vec<u8>, Stop> {
        let (start, mut line) = (self.position, Vec::new());
        self.position += (&mut self.input).take(LINE_LIMIT).read_until(b'\n', &mut line)? as u64;
        match line.strip_suffix(b"\r\n") {
            Some(text) => Ok(text.to_vec()),
            None if self.position >= self.end && line.last() != Some(&b'\n') => Err(Stop::Torn),
            None => damaged(start, "a line does not end here"),
        }
    }

    /// Adds so many bytes. A length that lies beyond the end costs no memory.
    fn take(&mut self, length: u64, into: &mut Vec<u8>) -> Result<(), Stop> {
        if length > self.end.saturating_sub(self.position) {
            return Err(Stop::Torn);
        }
        let before = into.len();
        into.resize(before + usize::try_from(length).map_err(|_| Stop::Torn)?, 0);
        self.input.read_exact(&mut into[before..])?;
        self.position += length;
        Ok(())
    }

    fn number(&mut self, kind: u8) -> Result<u64, Stop> {
        // Nearly always the whole line is there.
        let seen = self.input.fill_buf()?;
        let line = seen.iter().take(24).position(|byte| *byte == b'\n').map(|end| &seen[..end]);
        let digits = line.and_then(|line| line.strip_prefix(&[kind])?.strip_suffix(b"\r"));
        if let Some((digits, number)) = digits.and_then(|digits| Some((digits.len(), unsigned(digits)?))) {
            self.input.consume(digits + 3);
            self.position += digits as u64 + 3;
            return Ok(number);
        }
        let start = self.position;
        let line = self.line()?;
        match line.strip_prefix(&[kind]).and_then(unsigned) {
            Some(number) => Ok(number),
            None => damaged(start, format!("expected '{}' and a number", char::from(kind))),
        }
    }

    /// Its words come at once to where they stay.
    fn command(&mut self, command: &mut Commands) -> Result<(), Stop> {
        let start = self.position;
        let words = self.number(b'*')?;
        if words == 0 {
            return damaged(start, "a command without a name");
        }
        command.clear();
        for _ in 0..words {
            let length = self.number(b'$')?;
            command.read_word(|bytes| {
                self.take(length.saturating_add(2), bytes)?;
                if !bytes.ends_with(b"\r\n") {
                    return damaged(self.position - 2, "a word does not end where its length says");
                }
                bytes.truncate(bytes.len() - 2);
                Ok(())
            })?;
        }
        command.end_command();
        Ok(())
    }
}

/// Runs commands as if a client had sent them, and expects every one to succeed: only what succeeded was
/// ever written down.
struct Replayer<'a> {
    database: &'a mut Database,
    facts: &'a Facts,
    session: Session,
    /// The one that was read last.
    command: Commands,
    output: Output,
}

impl Replayer<'_> {
    /// Runs the command that was read last.
    fn run(&mut self, position: u64) -> Result<(), Stop> {
        let mut words = Vec::new();
        self.command.read(0, &mut words);
        self.output.clear();
        execute(self.database, &mut self.session, self.facts, None, &words, &mut self.output);
        if self.output.errors() > 0 {
            let name = String::from_utf8_lossy(&words[0][..words[0].len().min(32)]).into_owned();
            let reply = String::from_utf8_lossy(&self.output.bytes[..self.output.bytes.len().min(256)]);
            return damaged(position, format!("the command {name} fails here: {}", reply.trim_end()));
        }
        Ok(())
    }

    /// Runs a group whose checksum is right, so it is whole: whatever ends early in it is damage.
    fn group(&mut self, begin: u64, group: &[u8]) -> Result<(), Stop> {
        let end = begin + group.len() as u64;
        let mut source = Source { input: group, position: begin, end };
        while source.position < end {
            let start = source.position;
            match source.command(&mut self.command) {
                Ok(()) => self.run(start)?,
                Err(Stop::Torn) => return damaged(start, "the group ends within a command"),
                Err(other) => return Err(other),
            }
        }
        match self.session.transaction {
            Some(_) => damaged(end, "the group ends within a transaction"),
            None => Ok(()),
        }
    }
}

/// Where the zeros begin with which the file ends. What the store writes ends in a line end, so even two of them
/// are none of its bytes; a single one may be a byte that was changed.
fn zeros_from(path: &Path, total: u64) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let mut chunk = vec![0; 1 << 16];
    let mut end = total;
    while end > 0 {
        let size = chunk.len().min(usize::try_from(end).unwrap_or(usize::MAX));
        let start = end - size as u64;
        file.seek(io::SeekFrom::Start(start))?;
        file.read_exact(&mut chunk[..size])?;
        let zeros = chunk[..size].iter().rev().take_while(|byte| **byte == 0).count();
        end -= zeros as u64;
        if zeros < size {
            break;
        }
    }
    Ok(if total - end < 2 { u64::MAX } else { end })
}
