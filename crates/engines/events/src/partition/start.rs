//! Where the log begins, on disk.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use hop::files;

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
            files::replace(&path, line(0).as_bytes())?;
            files::sync_folder(folder)?;
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

    pub(super) fn advance(&mut self, offset: i64) -> io::Result<()> {
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
