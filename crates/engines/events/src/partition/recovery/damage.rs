//! What to do about bytes that are not the batch that should be there.
//!
//! What can be known of them:
//!
//! * A write that never ended is a *prefix* of a batch: the file ends within it, or goes on with nothing but zeros
//!   (a file system may lengthen a file before it writes the blocks). If it was never acknowledged it is cut off,
//!   and its offsets are given again.
//! * Anything else is damage: a batch that is all there and fails its checksum, one with a wrong length or offset,
//!   one that is missing. It may have been acknowledged. Its offsets are never given again; what is sound behind
//!   it is served, from a segment of its own, so that within a segment offsets still have no gap.
//!
//! Either way the bytes are kept in a file beside the segment, and the log says which and how many. The order of
//! steps makes a death in the middle harmless: the copy first, then the segment that follows, the cut last. Until
//! then the next start finds the same and does the same.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::batch::{BatchHeader, HEADER};
use crate::limits::{MAX_ASIDE, MAX_BATCH, MAX_RECORDS};
use crate::partition::acknowledged::Known;
use crate::partition::segment::Segment;
use crate::partition::sync_folder;

use super::WINDOW;

/// So many zeros at the end are blocks that were never written: the smallest piece in which disks write. Fewer may
/// be the end of a record.
const SECTOR: u64 = 512;

/// Where a segment stops being sound.
pub(super) struct Unsound<'a> {
    pub(super) folder: &'a Path,
    /// What precedes it is sound, and noted here.
    pub(super) segment: &'a Segment,
    pub(super) file: &'a File,
    /// The file's length.
    pub(super) length: u64,
    /// Where the next segment begins, if there is one.
    pub(super) next: Option<i64>,
    pub(super) known: Option<Known>,
}

/// What a segment's `.gap` file says: the records from this offset up to its own first one are lost.
pub(super) fn gap(segment: &Segment) -> Option<i64> {
    fs::read_to_string(segment.gap_file()).ok()?.trim().parse().ok()
}

impl Unsound<'_> {
    fn position(&self) -> u64 {
        self.segment.length
    }

    fn offset(&self) -> i64 {
        self.segment.end_offset
    }

    /// Keeps the bytes aside, ends the segment before them, and returns the offset of a segment that was made to
    /// follow it.
    ///
    /// # Errors
    /// The disk refuses; what was there is still there.
    pub(super) fn settle(&self) -> anyhow::Result<Option<i64>> {
        let path = self.segment.path.display().to_string();
        let done = || -> io::Result<Option<i64>> {
            if let Some((position, offset)) = self.sound_rest()? {
                let aside = self.keep_aside("damaged", position)?;
                self.report(&aside, position, offset);
                let moved = self.next.is_some_and(|next| next <= offset);
                self.follow(offset, (!moved).then_some(position))?;
                self.cut()?;
                return Ok((!moved).then_some(offset));
            }
            let unfinished = self.is_unfinished()?;
            match self.resumes_at(unfinished) {
                None => {
                    let aside = self.keep_aside("unfinished", self.length)?;
                    tracing::warn!(
                        file = %path, position = self.position(), bytes = self.length - self.position(),
                        aside = %shown(aside.as_deref()), offset = self.offset(),
                        "the log ended in a write that was never acknowledged: its bytes were put aside"
                    );
                    self.cut()?;
                    Ok(None)
                }
                Some(offset) => {
                    let aside = self.keep_aside("damaged", self.length)?;
                    self.report(&aside, self.length, offset);
                    let made = self.next.is_none();
                    self.follow(offset, made.then_some(self.length))?;
                    self.cut()?;
                    Ok(made.then_some(offset))
                }
            }
        };
        done().with_context(|| format!("put aside what is damaged in {path}"))
    }

    /// The offset after what is lost; none when nothing is.
    fn resumes_at(&self, unfinished: bool) -> Option<i64> {
        if let Some(next) = self.next {
            return Some(next);
        }
        let acknowledged = self.known.map_or(i64::MIN, |known| known.offset);
        if acknowledged <= self.offset() && (unfinished || self.known.is_some_and(|known| known.exact)) {
            return None;
        }
        if self.known.is_some_and(|known| known.exact) || self.position() == self.length {
            return Some(acknowledged);
        }
        // Their own count may be what is damaged.
        let records = most_records(self.length - self.position());
        Some(acknowledged.max(self.offset().saturating_add(records)))
    }

    fn report(&self, aside: &Option<PathBuf>, end: u64, offset: i64) {
        let acknowledged = match self.known {
            Some(known) if known.offset > self.offset() => "were acknowledged",
            _ => "may have been acknowledged",
        };
        tracing::error!(
            file = %self.segment.path.display(), position = self.position(), bytes = end - self.position(),
            aside = %shown(aside.as_deref()),
            "DAMAGED: the records with offsets {} to {} can't be read, and {acknowledged}. Their bytes were put aside; \
             everything else is served. To have them back, stop, restore the folder from a copy, start",
            self.offset(), offset - 1
        );
    }

    /// Copies the bytes up to `end` into a file of their own; none if there are none.
    fn keep_aside(&self, kind: &str, end: u64) -> io::Result<Option<PathBuf>> {
        if end <= self.position() {
            return Ok(None);
        }
        let stem = self.segment.path.with_extension(format!("{kind}-{}", self.position()));
        let temporary = self.folder.join("aside.new");
        copy(self.file, self.position(), end, &temporary)?;
        // What lies there already is either the same, from a start that did not get to its end, or other bytes.
        let mut place = stem.clone();
        let mut number = 1;
        while place.exists() && fs::read(&place)? != fs::read(&temporary)? {
            number += 1;
            place = stem.with_added_extension(number.to_string());
        }
        fs::rename(&temporary, &place)?;
        sync_folder(self.folder)?;
        tidy(self.folder)?;
        point("aside")?;
        Ok(Some(place))
    }

    /// Makes the segment that follows begin at `offset`, filled with what lies from `rest` on, and says that the
    /// records before it are lost.
    fn follow(&self, offset: i64, rest: Option<u64>) -> io::Result<()> {
        let next = Segment::empty(self.folder, offset);
        // A segment of which nothing is left goes, and its own gap with it.
        let from = if self.position() == 0 { gap(self.segment) } else { None };
        let text = format!("{:020}\n", from.unwrap_or(self.offset()));
        let temporary = next.gap_file().with_added_extension("new");
        fs::write(&temporary, text)?;
        File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, next.gap_file())?;
        if let Some(rest) = rest {
            let temporary = next.path.with_added_extension("new");
            copy(self.file, rest, self.length, &temporary)?;
            fs::rename(&temporary, &next.path)?;
        }
        sync_folder(self.folder)?;
        point("follow")
    }

    fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.position())?;
        self.file.sync_all()?;
        point("cut")
    }

    /// Where sound batches go on, and the offset of the first.
    fn sound_rest(&self) -> io::Result<Option<(u64, i64)>> {
        let mut front = [0; HEADER];
        let claimed = match self.length.checked_sub(self.position()) {
            Some(left) if left >= HEADER as u64 => {
                self.file.read_exact_at(&mut front, self.position())?;
                BatchHeader::parse(&front).map(|header| self.position() + header.length as u64)
            }
            _ => return Ok(None),
        };
        // Where the damaged one says that it ends, if that can be believed.
        if let Some(end) = claimed
            && let Some(header) = self.sound_at(end)?
            && self.may_follow(end, header.base_offset)
        {
            return Ok(Some((end, header.base_offset)));
        }
        let mut window = Vec::new();
        let mut at = self.position();
        while at + HEADER as u64 <= self.length {
            let size = usize::try_from(self.length - at).unwrap_or(usize::MAX).min(WINDOW);
            window.resize(size, 0);
            self.file.read_exact_at(&mut window, at)?;
            let starts = size - HEADER + 1;
            for start in 0..starts {
                let fits = BatchHeader::parse(&window[start..])
                    .is_some_and(|header| header.base_offset > self.offset() && header.length <= MAX_BATCH);
                let position = at + start as u64;
                if fits && let Some((offset, end)) = self.sound_to_the_end(position)? {
                    // Without a byte in between it is the offset that may be damaged: then nothing ends where it should.
                    let ends_as_known = self.known.is_some_and(|known| known.offset == end);
                    if self.may_follow(position, offset) || (position == self.position() && ends_as_known) {
                        return Ok(Some((position, offset)));
                    }
                }
            }
            at += starts as u64;
        }
        Ok(None)
    }

    /// Whether the bytes before `position` can have held the records before `offset`.
    fn may_follow(&self, position: u64, offset: i64) -> bool {
        let lost = offset.saturating_sub(self.offset());
        position > self.position() && lost > 0 && lost <= most_records(position - self.position())
    }

    /// The offsets of the batch at `position` and behind the last one, if sound batches without a gap fill the file from there on. A record
    /// may contain batches of another log: those end before their record does.
    fn sound_to_the_end(&self, position: u64) -> io::Result<Option<(i64, i64)>> {
        let (mut at, mut first, mut expected) = (position, None, None);
        while at < self.length {
            let sound = self.sound_at(at)?;
            let fits = |header: &BatchHeader| expected.is_none_or(|offset| offset == header.base_offset);
            let Some(header) = sound.filter(fits) else { return Ok(None) };
            first = first.or(Some(header.base_offset));
            expected = Some(header.next_offset());
            at += header.length as u64;
        }
        Ok(first.zip(expected))
    }

    fn sound_at(&self, position: u64) -> io::Result<Option<BatchHeader>> {
        if position.saturating_add(HEADER as u64) > self.length {
            return Ok(None);
        }
        let mut batch = vec![0; HEADER];
        self.file.read_exact_at(&mut batch, position)?;
        let fits = |header: &BatchHeader| {
            header.length <= MAX_BATCH && header.length as u64 <= self.length - position
        };
        let Some(header) = BatchHeader::parse(&batch).filter(fits) else { return Ok(None) };
        batch.resize(header.length, 0);
        self.file.read_exact_at(&mut batch[HEADER..], position + HEADER as u64)?;
        Ok(header.checksum_holds(&batch).then_some(header))
    }

    /// Whether the rest of the file is the beginning of a batch whose end was never written.
    fn is_unfinished(&self) -> io::Result<bool> {
        let left = self.length - self.position();
        let size = usize::try_from(left).unwrap_or(usize::MAX);
        if size > MAX_BATCH {
            // No batch is so long. Several of one write may be, when none of their blocks was written.
            return self.ends_in_zeros(left);
        }
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, self.position())?;
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count() as u64;
        if zeros == left || zeros >= SECTOR {
            return Ok(true);
        }
        // What was written first: the offset that was due, a length beyond the end, the format.
        let due = self.offset().to_be_bytes();
        let offset_fits = bytes.iter().zip(&due).all(|(found, due)| found == due);
        let length = bytes.get(8..12).map(|field| field.try_into().map_or(0, i32::from_be_bytes));
        let length_fits = length.is_none_or(|length| {
            usize::try_from(length).is_ok_and(|length| (size + 1..=MAX_BATCH).contains(&(length + 12)))
        });
        let format_fits = bytes.get(16).is_none_or(|magic| *magic == 2);
        // All there by its checksum, which does not cover the length: then only that field is wrong.
        let whole = bytes.len() >= HEADER && {
            let stated = u32::from_be_bytes([bytes[17], bytes[18], bytes[19], bytes[20]]);
            crc32c::crc32c(&bytes[21..]) == stated
        };
        Ok(offset_fits && length_fits && format_fits && !whole)
    }

    fn ends_in_zeros(&self, at_least: u64) -> io::Result<bool> {
        let mut reader = self.file;
        reader.seek(SeekFrom::Start(self.length - at_least.min(self.length)))?;
        let mut chunk = vec![0; WINDOW];
        loop {
            let count = reader.read(&mut chunk)?;
            if count == 0 {
                return Ok(true);
            }
            if chunk[..count].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
    }
}

/// As many records as so many bytes can ever have held.
fn most_records(bytes: u64) -> i64 {
    let batches = i64::try_from(bytes / HEADER as u64 + 1).unwrap_or(i64::MAX);
    batches.saturating_mul(i64::from(MAX_RECORDS))
}

/// The bytes from `start` to `end` in a file of their own, on the disk.
fn copy(mut file: &File, start: u64, end: u64, place: &Path) -> io::Result<()> {
    let mut into = OpenOptions::new().write(true).create(true).truncate(true).open(place)?;
    // As private as the segment.
    into.set_permissions(file.metadata()?.permissions())?;
    file.seek(SeekFrom::Start(start))?;
    let copied = io::copy(&mut file.take(end - start), &mut into)?;
    if copied != end - start {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    into.sync_all()
}

/// Keeps the number of files that were put aside within bounds: the oldest goes, unfinished writes first.
fn tidy(folder: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let damaged = name.contains(".damaged-");
        if damaged || name.contains(".unfinished-") {
            found.push((damaged, entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    for (_, _, path) in found.iter().take(found.len().saturating_sub(MAX_ASIDE)) {
        tracing::warn!(file = %path.display(), "removed: {MAX_ASIDE} younger files with damaged bytes lie beside it");
        fs::remove_file(path)?;
    }
    Ok(())
}

fn shown(path: Option<&Path>) -> String {
    path.map_or_else(|| "nothing was left of them".to_owned(), |path| path.display().to_string())
}

/// A place where a test may end the work, as a death would.
#[cfg(not(test))]
fn point(_: &str) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
fn point(name: &str) -> io::Result<()> {
    let dies = DIES_AT.with_borrow(|at| at == name);
    if dies { Err(io::Error::other(format!("died at {name}"))) } else { Ok(()) }
}

#[cfg(test)]
thread_local! {
    /// The point at which this thread's next recovery ends.
    pub(in crate::partition) static DIES_AT: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}
