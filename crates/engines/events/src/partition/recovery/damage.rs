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
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use hop::files::{self, sync_folder};

use crate::limits::MAX_ASIDE;
use crate::partition::acknowledged::Known;
use crate::partition::segment::Segment;

use super::tail::{Tail, most_records};

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
        let tail = Tail {
            file: self.file,
            position: self.position(),
            offset: self.offset(),
            length: self.length,
            acknowledged: self.known.map(|known| known.offset),
        };
        let done = || -> io::Result<Option<i64>> {
            if let Some((position, offset)) = tail.sound_rest()? {
                let aside = self.keep_aside("damaged", position)?;
                self.report(&aside, position, offset);
                let moved = self.next.is_some_and(|next| next <= offset);
                self.follow(offset, (!moved).then_some(position))?;
                self.cut()?;
                return Ok((!moved).then_some(offset));
            }
            let unfinished = tail.is_unfinished()?;
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
        let mut path = stem.clone();
        let mut number = 1;
        while path.exists() && fs::read(&path)? != fs::read(&temporary)? {
            number += 1;
            path = stem.with_added_extension(number.to_string());
        }
        fs::rename(&temporary, &path)?;
        sync_folder(self.folder)?;
        remove_oldest(self.folder)?;
        point("aside")?;
        Ok(Some(path))
    }

    /// Makes the segment that follows begin at `offset`, filled with what lies from `rest` on, and says that the
    /// records before it are lost.
    fn follow(&self, offset: i64, rest: Option<u64>) -> io::Result<()> {
        let next = Segment::empty(self.folder, offset);
        // A segment of which nothing is left goes, and its own gap with it.
        let from = if self.position() == 0 { gap(self.segment) } else { None };
        let text = format!("{:020}\n", from.unwrap_or(self.offset()));
        files::replace(&next.gap_file(), text.as_bytes())?;
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
}

/// The bytes from `start` to `end` in a file of their own, on the disk.
fn copy(mut file: &File, start: u64, end: u64, path: &Path) -> io::Result<()> {
    let mut into = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
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
fn remove_oldest(folder: &Path) -> io::Result<()> {
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
