//! What a scan of the sealed segments would find, kept on disk, so that a start need not scan them.
//!
//! | file | holds | written |
//! |---|---|---|
//! | `<first offset>.sealed` | length, end and index of the segment of that name | when it is sealed |
//! | `<first offset>.producers` | what was known of the idempotent producers when that segment began | when it begins |
//!
//! The second is why a producer's repetition is recognised even when the records it repeats were deleted.
//!
//! Everything in them can be found again: whoever finds one missing or damaged scans the segments
//! instead. Both begin with a mark and end with the CRC-32C of all before it; numbers are big-endian.

use std::fs;
use std::io;
use std::path::Path;

use bytes::{Buf, BufMut as _};
use hop::files;

use super::index::SparseIndex;
use super::producers::Producers;
use super::segment::Segment;

const SEALED: &[u8; 8] = b"sealed-1";
const PRODUCERS: &[u8; 8] = b"produc-1";
const CRC: usize = 4;

/// Writes down what is known of a segment. The caller syncs the folder.
pub(super) fn save(segment: &Segment) -> io::Result<()> {
    let mut bytes = SEALED.to_vec();
    bytes.put_i64(segment.base_offset);
    bytes.put_i64(segment.end_offset);
    bytes.put_u64(segment.length);
    segment.index.encode(&mut bytes);
    write(&segment.sealed_file(), bytes)
}

/// Completes `segment` from what was written down; false when that cannot be believed.
pub(super) fn load(segment: &mut Segment) -> bool {
    let load = || {
        let bytes = fs::read(segment.sealed_file()).ok()?;
        let mut body = checked(&bytes, SEALED)?;
        let base_offset = body.try_get_i64().ok()?;
        let end_offset = body.try_get_i64().ok()?;
        let length = body.try_get_u64().ok()?;
        let index = SparseIndex::decode(&mut body)?;
        // Cut or extended since: then a scan must say where.
        let as_sealed = fs::metadata(&segment.path).is_ok_and(|file| file.len() == length);
        let good = base_offset == segment.base_offset && as_sealed && body.is_empty();
        good.then_some((end_offset, length, index))
    };
    let Some((end_offset, length, index)) = load() else { return false };
    (segment.end_offset, segment.length, segment.index) = (end_offset, length, index);
    true
}

/// Writes down what is known of the producers as `segment` begins. The caller syncs the folder.
pub(super) fn save_producers(segment: &Segment, producers: &Producers) -> io::Result<()> {
    let mut bytes = PRODUCERS.to_vec();
    producers.encode(&mut bytes);
    write(&segment.producers_file(), bytes)
}

/// The producers as they were when `segment` began, if they were written down.
pub(super) fn load_producers(segment: &Segment) -> Option<Producers> {
    let bytes = fs::read(segment.producers_file()).ok()?;
    let mut body = checked(&bytes, PRODUCERS)?;
    Producers::decode(&mut body).filter(|_| body.is_empty())
}

/// Writes a file that ends with the checksum of all before.
fn write(path: &Path, mut bytes: Vec<u8>) -> io::Result<()> {
    bytes.put_u32(crc32c::crc32c(&bytes));
    files::replace(path, &bytes)
}

fn checked<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let (body, mut crc) = bytes.split_at_checked(bytes.len().checked_sub(CRC)?)?;
    (crc.get_u32() == crc32c::crc32c(body)).then(|| body.strip_prefix(mark)).flatten()
}
