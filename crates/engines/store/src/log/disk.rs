//! What the log needs of a file, small enough for a test to fail on purpose.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// How much must fit for the disk to count as no longer full, in bytes.
const PROBE: usize = 1 << 20;

/// A file that grows at its end.
pub(crate) trait Disk: Send {
    /// Writes at the end. After an error a part may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns when what was written would survive a power loss.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file, durably.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
    /// Goes on with another file, which has everything that this one has; returns this one.
    fn replace(&mut self, file: File) -> File;
    /// Tries whether there is room again, without touching the file.
    fn probe(&mut self) -> io::Result<()>;
}

/// A file of the file system.
pub(crate) struct LogFile {
    file: File,
    probe: PathBuf,
}

impl LogFile {
    pub(crate) fn new(file: File, directory: &Path) -> Self {
        Self { file, probe: directory.join("store.probe") }
    }
}

impl Disk for LogFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.sync_all()
    }

    fn replace(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }

    fn probe(&mut self) -> io::Result<()> {
        let tried = File::create(&self.probe).and_then(|mut file| {
            file.write_all(&vec![0; PROBE])?;
            file.sync_all()
        });
        let removed = std::fs::remove_file(&self.probe);
        tried.and(removed)
    }
}
