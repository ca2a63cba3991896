//! What is believed of the files at start: nothing that was not verified, now or when it was sealed.
//!
//! A process that is killed in the middle of a write leaves a batch without its end. That batch was
//! never acknowledged, so it is cut off. A batch that fails its checksum *while sound batches follow*
//! is something else: acknowledged data has been damaged. No cut could mend that, and cutting would
//! destroy what follows, so the server refuses to start and says where a person should look.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use crate::batch::{BatchHeader, HEADER};
use crate::limits::MAX_BATCH;

use super::producers::Producers;
use super::retention::Start;
use super::segment::{Segment, file_name};
use super::{checkpoint, retention, sync_folder};

/// Bytes looked through at once for a sound batch behind a damaged one.
const WINDOW: usize = 1 << 20;

/// What a partition's folder holds.
pub(super) struct Recovered {
    pub(super) start: Start,
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
/// Records are missing, or a file is damaged or cannot be used: the error names it.
pub(super) fn open(folder: &Path) -> anyhow::Result<Recovered> {
    let start = Start::open(folder).with_context(|| format!("use the file start in {}", folder.display()))?;
    let bases = segments(folder, start.offset)?;
    // Only the last segment is scanned, if it is known how the producers stood when it began.
    let noted = bases.last().and_then(|base| checkpoint::load_producers(&Segment::empty(folder, *base)));
    let scan_all = noted.is_none();
    let mut producers = noted.unwrap_or_default();
    let mut sealed: VecDeque<Arc<Segment>> = VecDeque::new();
    let mut expected = None;
    for (number, base) in bases.iter().enumerate() {
        let mut segment = Segment::empty(folder, *base);
        let before = expected.unwrap_or(start.offset);
        // The first may hold records from before the start: deletion goes by whole segments.
        anyhow::ensure!(
            *base == before || (expected.is_none() && *base < before),
            "{folder}: the records from offset {before} on are missing: the next file is {file}. Restore the missing file from a copy; \
             or, if those records may be lost, write {base} into the file {folder}/start and move away what is older",
            folder = folder.display(),
            file = file_name(*base)
        );
        let last = number + 1 == bases.len();
        if last || scan_all || !checkpoint::load(&mut segment) {
            let save = |what: &dyn Fn() -> io::Result<()>| {
                what()
                    .and_then(|()| sync_folder(folder))
                    .with_context(|| format!("write into {}", folder.display()))
            };
            if last && scan_all && number > 0 {
                save(&|| checkpoint::save_producers(&segment, &producers))?;
            }
            let path = Arc::clone(&segment.path);
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(&path)
                .with_context(|| format!("open {}", path.display()))?;
            verify(&file, &path, *base, last, |header, position| {
                segment.note(header, position);
                if last || scan_all {
                    producers.note(header);
                    producers.commit();
                }
            })?;
            if last {
                return Ok(Recovered { start, sealed, active: segment, file, producers });
            }
            segment.index.thin();
            save(&|| checkpoint::save(&segment))?;
        }
        expected = Some(segment.end_offset);
        sealed.push_back(Arc::new(segment));
    }
    anyhow::bail!("{} holds no log: restore {} from a copy", folder.display(), file_name(start.offset))
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
        retention::unlink(&segment).with_context(|| format!("remove {}", segment.path.display()))
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
        && let Some(empty) = found.iter().rposition(|(_, length)| *length == 0)
    {
        remove(found.remove(empty).0, "nothing was written to it")?;
    }
    Ok(found.into_iter().map(|(base, _)| base).collect())
}

/// Reads a segment from its beginning and tells `each` sound batch with its position. A torn tail is
/// cut off the `last` segment of a log; nowhere else can there be one.
///
/// # Errors
/// The file cannot be read or cut, or it is damaged before its end: the error names file and byte.
fn verify(
    file: &File,
    path: &Path,
    base_offset: i64,
    last: bool,
    mut each: impl FnMut(&BatchHeader, u64),
) -> anyhow::Result<()> {
    let length = file.metadata().with_context(|| format!("look at {}", path.display()))?.len();
    let mut position = 0;
    let mut next_offset = base_offset;
    let mut reader = BufReader::with_capacity(WINDOW, file);
    reader.seek(SeekFrom::Start(0)).with_context(|| format!("read {}", path.display()))?;
    let mut batch = Vec::new();
    while position < length {
        let sound = read_batch(&mut reader, length - position, &mut batch)
            .with_context(|| format!("read {} at byte {position}", path.display()))?
            // Offsets have no gaps, and the checksum does not cover the first one of a batch.
            .filter(|header| header.base_offset == next_offset);
        let Some(header) = sound else {
            anyhow::ensure!(
                last,
                "{path} is damaged at byte {position}: the record batch with offset {next_offset} should begin there, \
                 and a later segment exists, so this is not an unfinished write. Restore the file from a copy",
                path = path.display()
            );
            settle(file, path, position, length, next_offset)?;
            break;
        };
        each(&header, position);
        next_offset = header.next_offset();
        position += header.length as u64;
    }
    Ok(())
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
