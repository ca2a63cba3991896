//! Segments begin and end: when the active one is sealed, and when sealed ones are deleted.
//!
//! ```text
//!      deleted              sealed                 active
//!  ┌╌╌╌╌╌╌╌╌╌╌╌╌┐┌───────────┐┌───────────┐┌──────────┐
//!  ╎            ╎│           ││           ││          │ → grows
//!  └╌╌╌╌╌╌╌╌╌╌╌╌┘└───────────┘└───────────┘└──────────┘
//!                start offset                         end offset
//! ```
//! The order of steps is what makes a power cut harmless. A roll: everything in the old file is on disk,
//! then the checkpoints, then the new file, then the folder that names both; only then is the new one
//! written to. A deletion: the start moves first, then the files go, so a missing file is never mistaken
//! for a deleted one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use super::segment::Segment;
use super::{Partition, checkpoint, sync_folder};

/// How long a log is kept, and in how large pieces. The server's setting for all its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// A segment is sealed when it has this many bytes.
    pub segment_bytes: u64,
    /// Old segments are deleted as long as this many bytes of the partition stay; `None`: never.
    pub bytes: Option<u64>,
    /// Segments are deleted whose newest record is older than this many milliseconds; `None`: never.
    pub age_ms: Option<u64>,
}

impl Default for Keep {
    /// Everything for ever, in segments of 64 MiB.
    fn default() -> Self {
        Keep { segment_bytes: 64 << 20, bytes: None, age_ms: None }
    }
}

impl Keep {
    /// Whether anything is ever deleted.
    pub fn is_limited(&self) -> bool {
        self.bytes.is_some() || self.age_ms.is_some()
    }
}

/// The offset of the first record that may be read, in a file of its own.
///
/// The file has always the same length and is overwritten in place: moving the start needs no room on
/// the disk, and a full disk is when it matters most.
#[derive(Debug)]
pub(super) struct Start {
    file: File,
    pub(super) offset: i64,
}

impl Start {
    /// Opens the file in `folder`, or makes it: a log begins at 0.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("start");
        if !path.exists() {
            let aside = folder.join("start-new");
            fs::write(&aside, line(0))?;
            File::open(&aside)?.sync_all()?;
            fs::rename(aside, &path)?;
            sync_folder(folder)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let text = fs::read_to_string(&path)?;
        let offset = parse(&text).ok_or_else(|| {
            let text = format!(
                "{text:?} is no offset, or is damaged: write the number of the oldest .log file into it"
            );
            io::Error::new(io::ErrorKind::InvalidData, text)
        })?;
        Ok(Start { file, offset })
    }

    fn advance(&mut self, offset: i64) -> io::Result<()> {
        self.file.write_all_at(line(offset).as_bytes(), 0)?;
        self.file.sync_data()?;
        self.offset = offset;
        Ok(())
    }
}

/// With a checksum: a digit that became another would make acknowledged records unreadable, and be said by nobody.
fn line(offset: i64) -> String {
    let text = format!("{offset:020}");
    format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// A line of ours, or a number alone, as people write it.
fn parse(text: &str) -> Option<i64> {
    let number = text.split(' ').next()?.trim();
    let offset: i64 = number.parse().ok().filter(|offset| *offset >= 0)?;
    let by_hand = text.trim() == number && number.len() <= 20;
    (by_hand || text == line(offset)).then_some(offset)
}

/// Removes a segment and what is written down of it.
pub(super) fn unlink(segment: &Segment) -> io::Result<()> {
    let beside = [segment.sealed_file(), segment.producers_file(), segment.gap_file()];
    for path in [segment.path.to_path_buf()].into_iter().chain(beside) {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

// Only the appender thread calls these, while nothing is staged.
impl Partition {
    /// Seals the active segment if it is large enough. If the disk refuses, the old one goes on growing.
    pub fn roll_if_due(&self) {
        if self.writer().position < self.keep.segment_bytes {
            return;
        }
        let rolled = self.roll();
        let failing = std::mem::replace(&mut self.writer().roll_failing, rolled.is_err());
        match rolled {
            // What is too much goes at once, what is too old when the server next looks.
            Ok(()) => self.delete_what_need_not_be_kept(None),
            Err(error) if !failing => {
                tracing::warn!(folder = %self.folder.display(), %error, "begin a new segment; the old one goes on growing");
            }
            Err(_) => {}
        }
    }

    /// Deletes what is too old (at `now`, in milliseconds since the Unix epoch) or too much.
    pub fn retain(&self, now: i64) {
        let due = {
            let committed = self.committed();
            committed.active.length > 0 && self.is_expired(&committed.active, now)
        };
        if due && let Err(error) = self.roll() {
            tracing::warn!(folder = %self.folder.display(), %error, "begin a new segment, to delete the old one");
        }
        self.delete_what_need_not_be_kept(Some(now));
    }

    fn is_expired(&self, segment: &Segment, now: i64) -> bool {
        let age = now.saturating_sub(newest_ms(segment).unwrap_or(now));
        self.keep.age_ms.is_some_and(|limit| u64::try_from(age).is_ok_and(|age| age > limit))
    }

    fn delete_what_need_not_be_kept(&self, now: Option<i64>) {
        let doomed: Vec<Arc<Segment>> = {
            let committed = self.committed();
            let mut left =
                committed.sealed.iter().map(|segment| segment.length).sum::<u64>() + committed.active.length;
            let goes = |segment: &&Arc<Segment>| {
                left -= segment.length;
                now.is_some_and(|now| self.is_expired(segment, now))
                    || self.keep.bytes.is_some_and(|limit| left >= limit)
            };
            committed.sealed.iter().take_while(goes).cloned().collect()
        };
        let Some(last) = doomed.last() else { return };
        if let Err(error) = self.delete(&doomed, last.end_offset) {
            tracing::warn!(folder = %self.folder.display(), %error, "delete old segments; the next round tries again");
        }
    }

    fn delete(&self, doomed: &[Arc<Segment>], start: i64) -> io::Result<()> {
        {
            let mut moved = self.start.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            moved.advance(start)?;
        }
        {
            let mut committed = self.committed();
            committed.start_offset = start;
            committed.sealed.drain(..doomed.len());
        }
        let bytes = doomed.iter().map(|segment| segment.length).sum::<u64>();
        tracing::info!(folder = %self.folder.display(), segments = doomed.len(), bytes, start, "deleted old records");
        doomed.iter().try_for_each(|segment| unlink(segment))?;
        sync_folder(&self.folder)
    }

    /// Seals the active segment and begins the next.
    fn roll(&self) -> io::Result<()> {
        let mut writer = self.writer();
        let next = Segment::empty(&self.folder, writer.next_offset);
        let old = {
            let committed = self.committed();
            let mut index = committed.active.index.clone();
            index.thin();
            Segment { index, path: Arc::clone(&committed.active.path), ..committed.active }
        };
        checkpoint::save(&old)?;
        checkpoint::save_producers(&next, &writer.producers)?;
        let make = || {
            let file =
                OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&next.path)?;
            file.sync_all()?;
            sync_folder(&self.folder)?;
            Ok(file)
        };
        // Left behind it would do no harm either: an empty file is no segment, see `recovery`.
        let file = Arc::new(make().inspect_err(|_: &io::Error| drop(fs::remove_file(&next.path)))?);
        let mut committed = self.committed();
        committed.sealed.push_back(Arc::new(old));
        committed.active = next;
        committed.file = Arc::clone(&file);
        writer.file = file;
        writer.position = 0;
        Ok(())
    }
}

/// When the newest record was made, or, if its producer did not say, when the file was last written.
fn newest_ms(segment: &Segment) -> Option<i64> {
    let stated = segment.index.newest().map(|newest| newest.timestamp).filter(|timestamp| *timestamp >= 0);
    stated.or_else(|| {
        let written = fs::metadata(&segment.path).and_then(|file| file.modified()).ok()?;
        i64::try_from(written.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
    })
}

#[cfg(test)]
mod tests;
