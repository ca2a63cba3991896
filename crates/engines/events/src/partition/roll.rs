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

use std::fs::{self, OpenOptions};
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use hop::files::sync_folder;

use super::segment::Segment;
use super::{Partition, checkpoint};

// Only the appender thread calls these, while nothing is staged.
impl Partition {
    /// Seals the active segment if it is large enough. If the disk refuses, the old one goes on growing.
    pub fn roll_if_due(&self) {
        if self.writer.lock().position < self.retention.segment_bytes {
            return;
        }
        let rolled = self.roll();
        let failing = std::mem::replace(&mut self.writer.lock().roll_failing, rolled.is_err());
        match rolled {
            // What is too much goes at once, what is too old when the server next looks.
            Ok(()) => self.delete_expired(None),
            Err(error) if !failing => {
                tracing::warn!(folder = %self.folder.display(), %error, "begin a new segment; the old one goes on growing");
            }
            Err(_) => {}
        }
    }

    /// Deletes what is too old (at `now`, in milliseconds since the Unix epoch) or too much.
    pub fn retain(&self, now: i64) {
        let due = {
            let committed = self.committed.lock();
            committed.active.length > 0 && self.is_expired(&committed.active, now)
        };
        if due && let Err(error) = self.roll() {
            tracing::warn!(folder = %self.folder.display(), %error, "begin a new segment, to delete the old one");
        }
        self.delete_expired(Some(now));
    }

    fn is_expired(&self, segment: &Segment, now: i64) -> bool {
        let age = now.saturating_sub(newest_ms(segment).unwrap_or(now));
        self.retention.age_ms.is_some_and(|limit| u64::try_from(age).is_ok_and(|age| age > limit))
    }

    fn delete_expired(&self, now: Option<i64>) {
        let expired: Vec<Arc<Segment>> = {
            let committed = self.committed.lock();
            let mut left =
                committed.sealed.iter().map(|segment| segment.length).sum::<u64>() + committed.active.length;
            let goes = |segment: &&Arc<Segment>| {
                left -= segment.length;
                now.is_some_and(|now| self.is_expired(segment, now))
                    || self.retention.bytes.is_some_and(|limit| left >= limit)
            };
            committed.sealed.iter().take_while(goes).cloned().collect()
        };
        let Some(last) = expired.last() else { return };
        if let Err(error) = self.delete(&expired, last.end_offset) {
            tracing::warn!(folder = %self.folder.display(), %error, "delete old segments; the next round tries again");
        }
    }

    fn delete(&self, expired: &[Arc<Segment>], start: i64) -> io::Result<()> {
        self.start.lock().advance(start)?;
        {
            let mut committed = self.committed.lock();
            committed.start_offset = start;
            committed.sealed.drain(..expired.len());
        }
        let bytes = expired.iter().map(|segment| segment.length).sum::<u64>();
        tracing::info!(folder = %self.folder.display(), segments = expired.len(), bytes, start, "deleted old records");
        expired.iter().try_for_each(|segment| segment.remove())?;
        sync_folder(&self.folder)
    }

    /// Seals the active segment and begins the next.
    fn roll(&self) -> io::Result<()> {
        let mut writer = self.writer.lock();
        let next = Segment::empty(&self.folder, writer.next_offset);
        let old = {
            let committed = self.committed.lock();
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
        let mut committed = self.committed.lock();
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
