//! Zone files: from the text that a person edits to records (RFC 1035 §5, the "master file" format).
//!
//! A file is read as it was meant, or refused with its line: nothing is guessed, dropped or changed.
//!
//! | module | answers |
//! |---|---|
//! | `lexer` | which characters make a token, and where does a line end? |
//! | `token` | what does a token say: a number, a time, a string, a name? |
//! | `reader` | owner, TTL, class, type; `$ORIGIN`, `$TTL`, `$INCLUDE` |
//! | `types` | which fields does the data of each type have, and how are they written? |
//! | `service` | the parameters of SVCB and HTTPS records (RFC 9460) |

#![warn(missing_docs)]

mod lexer;
mod reader;
mod service;
mod token;
mod types;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecoder, BinEncodable as _, BinEncoder, NameEncoding, Restrict};

/// A record and where it stands.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The record, of class IN.
    pub record: Record,
    /// The file that holds it: the zone file, or one that it includes.
    pub file: Arc<Path>,
    /// The line on which it begins, the first being 1.
    pub line: usize,
}

/// What a zone file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// The records, in the order of the file.
    pub entries: Vec<Entry>,
    /// The files that were read: the zone file, then those that it includes.
    pub files: Vec<PathBuf>,
}

/// Reads the zone file at `path`, in which relative names end in `origin` until it says otherwise.
///
/// `$INCLUDE` takes files from the folder of the zone file and below it, by a path relative to the file
/// that includes them: so a zone can be copied with all its parts, and an editor of a part cannot make the
/// server read other files of the machine.
///
/// # Errors
/// The first thing that is wrong, with its file and line, the token, and what was expected there.
pub fn read(path: &Path, origin: &Name) -> Result<Contents, Error> {
    reader::read(path, origin)
}

/// The zone file at `path` and the files that it includes, as [`read`] finds them; what their records say is
/// not looked at.
///
/// # Errors
/// A file cannot be read or taken apart, or must not be included.
pub fn files(path: &Path) -> Result<Vec<PathBuf>, Error> {
    reader::files(path)
}

/// Why a zone file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// The file: the zone file, or one that it includes.
    pub file: PathBuf,
    /// The line, the first being 1, unless it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone file {}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for Error {}

/// The problem of one line; the reader adds the file.
#[derive(Debug)]
struct Problem {
    line: usize,
    text: String,
}

/// Makes record data of its wire form. What hickory would write differently, or does not know, is kept as
/// opaque bytes: served as written, whatever it is.
fn data(kind: RecordType, wire: Vec<u8>) -> RData {
    if wire.is_empty() {
        return RData::Update0(kind); // hickory's name for no data at all
    }
    let length = u16::try_from(wire.len()).unwrap_or(u16::MAX);
    if let Ok(known) = RData::read(&mut BinDecoder::new(&wire), kind, Restrict::new(length)) {
        let mut bytes = Vec::new();
        let mut encoder = BinEncoder::new(&mut bytes);
        encoder.set_name_encoding(NameEncoding::Uncompressed);
        if known.emit(&mut encoder).is_ok() && bytes == wire {
            return known;
        }
    }
    RData::Unknown { code: kind, rdata: hickory_proto::rr::rdata::NULL::with(wire) }
}

#[cfg(test)]
mod tests;
