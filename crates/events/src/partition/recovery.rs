//! What is believed of a file at start: nothing that was not verified.
//!
//! A process that is killed in the middle of a write leaves a batch without its end. That batch was
//! never acknowledged, so it is cut off. A batch that fails its checksum *while sound batches follow*
//! is something else: acknowledged data has been damaged. No cut could mend that, and cutting would
//! destroy what follows, so the server refuses to start and says where a person should look.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Context as _;

use crate::batch::{BatchHeader, HEADER};
use crate::limits::MAX_BATCH;

/// Bytes looked through at once for a sound batch behind a damaged one.
const WINDOW: usize = 1 << 20;

/// Reads a log from its beginning, tells `each` sound batch with its position, and cuts a torn tail.
/// Returns the length of what is left.
///
/// # Errors
/// The file cannot be read or cut, or it is damaged before its end: the error names file and byte.
pub(super) fn verify(
    file: &File,
    path: &Path,
    mut each: impl FnMut(&BatchHeader, u64),
) -> anyhow::Result<u64> {
    let length = file.metadata().with_context(|| format!("look at {}", path.display()))?.len();
    let mut position = 0;
    let mut next_offset = 0;
    let mut reader = BufReader::with_capacity(WINDOW, file);
    reader.seek(SeekFrom::Start(0)).with_context(|| format!("read {}", path.display()))?;
    let mut batch = Vec::new();
    while position < length {
        let sound = read_batch(&mut reader, length - position, &mut batch)
            .with_context(|| format!("read {} at byte {position}", path.display()))?
            // Offsets have no gaps, and the checksum does not cover the first one of a batch.
            .filter(|header| header.base_offset == next_offset);
        let Some(header) = sound else {
            settle(file, path, position, length, next_offset)?;
            break;
        };
        each(&header, position);
        next_offset = header.next_offset();
        position += header.length as u64;
    }
    Ok(position)
}

/// The batch at the reader's place, if it is all there and its checksum holds.
fn read_batch(
    reader: &mut BufReader<&File>,
    left: u64,
    batch: &mut Vec<u8>,
) -> io::Result<Option<BatchHeader>> {
    if left < HEADER as u64 {
        return Ok(None);
    }
    batch.resize(HEADER, 0);
    reader.read_exact(batch)?;
    let Some(header) = BatchHeader::parse(batch) else { return Ok(None) };
    if header.length > MAX_BATCH || header.length as u64 > left {
        return Ok(None);
    }
    batch.resize(header.length, 0);
    reader.read_exact(&mut batch[HEADER..])?;
    Ok(header.checksum_holds(batch).then_some(header))
}

/// No sound batch at `position`: cut if nothing sound follows, refuse otherwise.
fn settle(file: &File, path: &Path, position: u64, length: u64, next_offset: i64) -> anyhow::Result<()> {
    let found = find_sound_batch(file, position, length, next_offset)
        .with_context(|| format!("look for batches in {} from byte {position} on", path.display()))?;
    if let Some((found, offset)) = found {
        anyhow::bail!(
            "{path} is damaged at byte {position}: the record batch with offset {next_offset} should begin there, \
             but the next sound one has offset {offset} and begins at byte {found}, so this is not an unfinished write. \
             Restore the file from a copy; or, if the records from byte {position} on may be lost, cut it: truncate -s {position} {path}",
            path = path.display()
        );
    }
    tracing::warn!(
        file = %path.display(), position, bytes = length - position,
        "cut an unfinished write off the end of the log: it was never acknowledged"
    );
    let cut = || file.set_len(position).and_then(|()| file.sync_all());
    cut().with_context(|| format!("cut {} to {position} bytes", path.display()))
}

/// The first byte from `from` on where a sound batch begins: any at `from` itself, later ones if they
/// could belong here (a record may contain batches of another log). With its offset.
fn find_sound_batch(file: &File, from: u64, length: u64, next_offset: i64) -> io::Result<Option<(u64, i64)>> {
    let mut at = from;
    let mut window = Vec::new();
    let mut batch = Vec::new();
    while at + HEADER as u64 <= length {
        let size = usize::try_from(length - at).unwrap_or(usize::MAX).min(WINDOW);
        window.resize(size, 0);
        file.read_exact_at(&mut window, at)?;
        let starts = size - HEADER + 1;
        for start in 0..starts {
            let Some(header) = BatchHeader::parse(&window[start..]) else { continue };
            let position = at + start as u64;
            let fits = header.length <= MAX_BATCH && header.length as u64 <= length - position;
            if !fits || (position > from && header.base_offset < next_offset) {
                continue;
            }
            batch.resize(header.length, 0);
            file.read_exact_at(&mut batch, position)?;
            if header.checksum_holds(&batch) {
                return Ok(Some((position, header.base_offset)));
            }
        }
        at += starts as u64;
    }
    Ok(None)
}
