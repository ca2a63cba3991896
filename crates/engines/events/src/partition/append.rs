//! Appending: stage, write, sync, then commit or roll back. Only the appender thread calls these.

use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::batch::Batch;

use super::Partition;
use super::writer::Rejected;

impl Partition {
    /// Gives a batch its offset. Nothing is promised before [`Partition::commit`].
    ///
    /// # Errors
    /// The batch does not follow what its producer sent before.
    pub fn stage(&self, batch: &Batch) -> Result<i64, Rejected> {
        self.writer.lock().stage(batch)
    }

    /// Whether batches are staged.
    pub fn has_staged(&self) -> bool {
        !self.writer.lock().staged.is_empty()
    }

    /// Hands the staged batches to the operating system.
    ///
    /// # Errors
    /// Whatever the disk says; then [`Partition::rollback`] must follow.
    pub fn write(&self) -> io::Result<()> {
        let writer = self.writer.lock();
        writer.file.write_all_at(&writer.bytes, writer.position)
    }

    /// Waits until what was written is on the disk itself.
    ///
    /// # Errors
    /// Whatever the disk says; then [`Partition::rollback`] must follow.
    pub fn sync(&self) -> io::Result<()> {
        let file = Arc::clone(&self.writer.lock().file);
        file.sync_data()
    }

    /// Makes the staged batches part of the log and wakes those who wait for it to grow.
    pub fn commit(&self) {
        let mut writer = self.writer.lock();
        let staged = writer.commit();
        self.acknowledged.note(writer.next_offset);
        let mut committed = self.committed.lock();
        for (header, position) in &staged {
            committed.active.note(header, *position);
        }
        drop(committed);
        if std::mem::take(&mut writer.failing) {
            tracing::info!(folder = %self.folder.display(), "the log can be written again");
        }
        drop(writer);
        self.grew.notify_waiters();
    }

    /// Forgets the staged batches and cuts whatever part of them reached the file.
    ///
    /// # Errors
    /// The file cannot be cut: what it holds is then unknown, and the process must end.
    pub fn rollback(&self, why: &io::Error) -> io::Result<()> {
        let mut writer = self.writer.lock();
        let (end_offset, end_position) = {
            let committed = self.committed.lock();
            (committed.active.end_offset, committed.active.length)
        };
        if !std::mem::replace(&mut writer.failing, true) {
            tracing::error!(
                folder = %self.folder.display(), error = %why, keeps = end_position,
                "the log cannot be written: producers get KAFKA_STORAGE_ERROR until it can, reading goes on"
            );
        }
        writer.rollback(end_offset);
        writer.file.set_len(end_position)
    }
}
