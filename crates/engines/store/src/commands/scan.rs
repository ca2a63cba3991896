//! What SCAN and HSCAN have in common: a cursor, a pattern, a page.

use bytes::Bytes;

use super::spec::Call;
use crate::reply::{Failure, Reply, SYNTAX, failure};
use crate::text::{glob, unsigned};

/// The most entries that one call looks at, whatever COUNT says.
const COUNT_LIMIT: usize = 100_000;

pub(super) struct ScanOptions {
    pub(super) count: usize,
    pattern: Option<Bytes>,
    /// SCAN's TYPE; HSCAN has none.
    pub(super) kind: Option<String>,
}

impl ScanOptions {
    pub(super) fn wants(&self, name: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| glob(pattern, name))
    }
}

/// Where to go on: word `at`.
pub(super) fn scan_cursor(call: &Call<'_>, at: usize) -> Result<u64, Failure> {
    unsigned(call.arguments[at]).ok_or_else(|| failure("ERR invalid cursor"))
}

/// Reads `[MATCH pattern] [COUNT n] [TYPE t]` from word `at` on.
pub(super) fn scan_options(call: &Call<'_>, at: usize) -> Result<ScanOptions, Failure> {
    let mut options = ScanOptions { count: 10, pattern: None, kind: None };
    for at in (at..call.arguments.len()).step_by(2) {
        let value = call.arguments.get(at + 1);
        match (call.word(at).as_str(), value) {
            ("MATCH", Some(pattern)) => options.pattern = Some(Bytes::copy_from_slice(pattern)),
            ("COUNT", Some(_)) => match usize::try_from(call.integer(at + 1)?) {
                Ok(count @ 1..) => options.count = count.min(COUNT_LIMIT),
                _ => return Err(SYNTAX),
            },
            ("TYPE", Some(_)) if call.spec.name == "scan" => {
                options.kind = Some(call.word(at + 1).to_ascii_lowercase());
            }
            _ => return Err(SYNTAX),
        }
    }
    Ok(options)
}

/// One page of a scan.
#[derive(Default)]
pub(super) struct Page {
    pub(super) next: u64,
    pub(super) items: Vec<Reply>,
}

impl Page {
    pub(super) fn reply(self) -> Reply {
        Reply::Array(vec![Reply::bulk(self.next.to_string()), Reply::Array(self.items)])
    }
}
