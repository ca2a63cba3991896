//! How far the log was acknowledged: what tells a write that never ended from one that was damaged later.
//!
//! After each group's `fdatasync`, and before anyone is told, the offset behind it is written here, over the old one.
//! That costs a system call and no flush of its own. The operating system keeps it when this process is killed; a
//! power cut may leave an older one. So records before the offset *were* acknowledged, and as long as the machine
//! has not been restarted, no others were.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

const NAME: &str = "acknowledged";
/// Linux gives each start of the machine a number of its own (random(4)); elsewhere the offset is never exact.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The file, to be overwritten in place: that needs no room on a full disk.
#[derive(Debug)]
pub(super) struct Acknowledged {
    file: File,
    path: PathBuf,
    boot: String,
}

/// What the file said at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Records before it were acknowledged.
    pub(super) offset: i64,
    /// No record from it on was.
    pub(super) exact: bool,
}

impl Acknowledged {
    /// Opens the file in `folder`, which will be at `final_folder`, or makes it. Nothing is known when it was not there or
    /// is damaged.
    pub(super) fn open(folder: &Path, final_folder: &Path) -> io::Result<(Self, Option<Known>)> {
        let path = folder.join(NAME);
        let known = fs::read_to_string(&path).ok().and_then(|text| Known::parse(&text));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        let boot = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().to_owned();
        let exact = known.as_ref().is_some_and(|(_, then)| !boot.is_empty() && *then == boot);
        let known = known.map(|(offset, _)| Known { offset, exact });
        Ok((Acknowledged { file, path: final_folder.join(NAME), boot }, known))
    }

    /// Everything before `offset` is on the disk and will be acknowledged.
    pub(super) fn note(&self, offset: i64) {
        if let Err(error) = self.file.write_all_at(line(offset, &self.boot).as_bytes(), 0) {
            // An old offset must not pass for an exact one: better none.
            tracing::warn!(file = %self.path.display(), %error, "note what is acknowledged");
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Known {
    fn parse(text: &str) -> Option<(i64, String)> {
        let mut words = text.split_whitespace();
        let (offset, boot, _) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
        let boot = if boot == "-" { "" } else { boot };
        (text == line(offset, boot)).then(|| (offset, boot.to_owned()))
    }
}

/// Always of the same length on one machine.
fn line(offset: i64, boot: &str) -> String {
    let text = format!("{offset:020} {}", if boot.is_empty() { "-" } else { boot });
    format!("{text} {:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// For tests: as if the machine had been restarted since.
#[cfg(test)]
pub(super) fn after_a_restart_of_the_machine(folder: &Path) {
    let text = fs::read_to_string(folder.join(NAME)).expect("an offset");
    let (offset, boot) = Known::parse(&text).expect("a good file");
    fs::write(folder.join(NAME), line(offset, &boot.replace(|c: char| c.is_ascii_hexdigit(), "0")))
        .expect("write");
}
