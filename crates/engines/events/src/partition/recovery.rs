//! What is believed of the files at start: nothing that was not verified, now or when it was sealed.
//!
//! A batch that is not what was written is dealt with in [`damage`]: its bytes are put aside, and everything that is
//! sound, before and after it, is served.

mod damage;
mod tail;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use hop::files::sync_folder;

use crate::batch::{BatchHeader, HEADER};
use crate::limits::MAX_BATCH;

use super::acknowledged::Acknowledged;
use super::checkpoint;
use super::producers::Producers;
use super::segment::{Segment, file_name};
use super::start::Start;
use tail::WINDOW;

/// What a partition's folder holds.
pub(super) struct Recovered {
    pub(super) start: Start,
    pub(super) acknowledged: Acknowledged,
    pub(super) sealed: VecDeque<Arc<Segment>>,
    pub(super) active: Segment,
    /// The active segment's file.
    pub(super) file: File,
    /// The producers at the end of the log.
    pub(super) producers: Producers,
}

/// Opens the segments in `folder`: the last one is read from beginning to end, the sealed ones are
/// believed if their checkpoints say so (what is served from them is verified then).
///
/// # Errors
/// A file is missing or cannot be used: the error names it.
pub(super) fn open(folder: &Path) -> anyhow::Result<Recovered> {
    let start = Start::open(folder).with_context(|| format!("use the file start in {}", folder.display()))?;
    let (acknowledged, known) = Acknowledged::open(folder, folder)
        .with_context(|| format!("use the file acknowledged in {}", folder.display()))?;
    let mut bases: VecDeque<i64> = segments(folder, start.offset)?.into();
    // Only the last segment is scanned, if it is known how the producers stood when it began.
    let noted = bases.back().and_then(|base| checkpoint::load_producers(&Segment::empty(folder, *base)));
    let scan_all = noted.is_none();
    let mut producers = noted.unwrap_or_default();
    let mut sealed: VecDeque<Arc<Segment>> = VecDeque::new();
    let save = |what: &dyn Fn() -> io::Result<()>| {
        what().and_then(|()| sync_folder(folder)).with_context(|| format!("write into {}", folder.display()))
    };
    let mut expected = None;
    while let Some(base) = bases.pop_front() {
        let mut segment = Segment::empty(folder, base);
        follows(&segment, expected, start.offset)?;
        let last = bases.is_empty();
        if last || scan_all || !checkpoint::load(&mut segment) {
            if last && !sealed.is_empty() && !segment.producers_file().exists() {
                save(&|| checkpoint::save_producers(&segment, &producers))?;
            }
            let path = Arc::clone(&segment.path);
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .with_context(|| format!("open {}", path.display()))?;
            let length = scan(&file, &path, base, |header, position| {
                segment.note(header, position);
                if last || scan_all {
                    producers.note(header);
                    producers.commit();
                }
            })?;
            let missing = last && known.is_some_and(|known| known.offset > segment.end_offset);
            if segment.length < length || missing {
                let next = bases.front().copied();
                let unsound = damage::Unsound { folder, segment: &segment, file: &file, length, next, known };
                if let Some(made) = unsound.settle()? {
                    bases.push_front(made);
                }
            }
            if bases.is_empty() {
                acknowledged.note(segment.end_offset);
                return Ok(Recovered { start, acknowledged, sealed, active: segment, file, producers });
            }
            if segment.length == 0 {
                save(&|| segment.remove())?;
                continue;
            }
            segment.index.thin();
            save(&|| checkpoint::save(&segment))?;
        }
        expected = Some(segment.end_offset);
        sealed.push_back(Arc::new(segment));
    }
    anyhow::bail!("{} holds no log: restore {} from a copy", folder.display(), file_name(start.offset))
}

/// Whether a segment may come next: it begins where the one before ends, or it is known what is lost between them.
fn follows(segment: &Segment, expected: Option<i64>, start: i64) -> anyhow::Result<()> {
    let (base, before) = (segment.base_offset, expected.unwrap_or(start));
    // The first may hold records from before the start: deletion goes by whole segments.
    let fits = base == before || (expected.is_none() && base < before);
    let gap = || damage::gap(segment).is_some_and(|from| from <= before && before <= base);
    anyhow::ensure!(
        fits || gap(),
        "{folder}: the records from offset {before} on are missing: the next file is {file}. Restore the missing file from a copy; \
         or, if those records may be lost, write {before:020} into the file {gap}",
        folder = segment.path.parent().unwrap_or(Path::new(".")).display(),
        file = file_name(base),
        gap = segment.gap_file().display()
    );
    Ok(())
}

/// The first offsets of the segments in `folder`, in order, after tidying up what an interrupted roll
/// or deletion left.
fn segments(folder: &Path, start: i64) -> anyhow::Result<Vec<i64>> {
    let list = || -> io::Result<Vec<(i64, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let base = name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
            if let Some(base) = base.filter(|base| name.to_str() == Some(&file_name(*base))) {
                found.push((base, entry.metadata()?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    };
    let mut found = list().with_context(|| format!("list the folder {}", folder.display()))?;
    let remove = |base: i64, why: &str| {
        tracing::info!(folder = %folder.display(), file = file_name(base), "removed: {why}");
        let segment = Segment::empty(folder, base);
        segment.remove().with_context(|| format!("remove {}", segment.path.display()))
    };
    // A segment is deleted after the start has moved behind it.
    while let [_, (next, _), ..] = found[..]
        && next <= start
    {
        remove(found.remove(0).0, "it is older than the start of the log")?;
    }
    // A roll makes the next file first. If it got no further, the file before it is still the last,
    // with whatever an unfinished write left at its end.
    while found.len() > 1
        && let Some(empty) = found.iter().rposition(|(base, length)| {
            // One behind a gap keeps lost offsets from being given again.
            let behind_a_gap = || damage::gap(&Segment::empty(folder, *base)).is_some();
            *length == 0 && !(found.last() == Some(&(*base, 0)) && behind_a_gap())
        })
    {
        remove(found.remove(empty).0, "nothing was written to it")?;
    }
    Ok(found.into_iter().map(|(base, _)| base).collect())
}

/// Reads a segment from its beginning and tells `each` sound batch with its position, up to the first byte that is
/// not what was written. Returns the file's length.
fn scan(
    file: &File,
    path: &Path,
    base_offset: i64,
    mut each: impl FnMut(&BatchHeader, u64),
) -> anyhow::Result<u64> {
    let length = file.metadata().with_context(|| format!("look at {}", path.display()))?.len();
    let (mut position, mut next_offset) = (0, base_offset);
    let mut reader = BufReader::with_capacity(WINDOW, file);
    reader.seek(SeekFrom::Start(0)).with_context(|| format!("read {}", path.display()))?;
    let mut batch = Vec::new();
    while position < length {
        let sound = read_batch(&mut reader, length - position, &mut batch)
            .with_context(|| format!("read {} at byte {position}", path.display()))?
            // Offsets have no gaps, and the checksum does not cover the first one of a batch.
            .filter(|header| header.base_offset == next_offset);
        let Some(header) = sound else { break };
        each(&header, position);
        next_offset = header.next_offset();
        position += header.length as u64;
    }
    Ok(length)
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

#[cfg(test)]
mod tests;
