//! Logs are bounded: a program that talks for days fills no disk.
//!
//! Each program, ours or foreign, writes to its file directly: with a pipe through the lab, a lab that is
//! busy would stop the programs. So the file is cut from outside. Everything that a program has of it is a
//! descriptor that appends (O_APPEND, open(2)), whose next byte then is the first of the empty file. Lines
//! that are written between the copy and the cut are lost.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A log that is longer than this is cut, in bytes; as much of it is kept beside it, as `HOP.log.1`.
pub(super) const LIMIT: u64 = 4 << 20;
/// Between two checks: what a program writes in this time comes on top.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Opens a program's log, for its owner alone: it may hold what customers sent.
pub(super) fn open(log: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(log)
}

/// Cuts these logs whenever they have grown too long, for ever.
pub(super) async fn keep_short(logs: Vec<PathBuf>) {
    let mut ticks = tokio::time::interval(CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for log in &logs {
            if std::fs::metadata(log).is_ok_and(|log| log.len() > LIMIT) {
                let log = log.clone();
                let _ = tokio::task::spawn_blocking(move || cut(&log)).await;
            }
        }
    }
}

/// Keeps the end of a log beside it and empties it. What can't be kept, on a full disk, is lost.
fn cut(log: &Path) {
    let mut previous = log.as_os_str().to_owned();
    previous.push(".1");
    let keep = || {
        let mut all = File::open(log)?;
        let length = all.metadata()?.len();
        all.seek(SeekFrom::Start(length.saturating_sub(LIMIT)))?;
        let mut kept =
            OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&previous)?;
        io::copy(&mut all.take(LIMIT), &mut kept)
    };
    if let Err(error) = keep() {
        tracing::warn!(log = %log.display(), %error, "the end of a long log could not be kept");
        let _ = std::fs::remove_file(&previous);
    }
    if let Err(error) = OpenOptions::new().write(true).open(log).and_then(|log| log.set_len(0)) {
        tracing::warn!(log = %log.display(), %error, "cut a long log");
    }
}

#[cfg(test)]
mod tests;
