//! Files that are there whole or not at all, and folders that belong to one process.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Gives `path` this content in one step: a reader, and a start after a power cut, find all of it or what was there
/// before. The owner alone may read it, from the first byte on. That the new name itself is on the disk is certain
/// only after [`sync_folder`].
///
/// # Errors
/// What the file system says; the old content is untouched.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_added_extension("new");
    // What an interrupted run left behind may have other rights.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)
}

/// Waits until the names in `folder` are on the disk: a file is found again after a power cut only when the folder that
/// holds it was synced, too.
///
/// # Errors
/// What the file system says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Takes the lock that is the file `path`; `None` when another process has it. Closing the file gives the lock back,
/// and so does any kind of death.
///
/// # Errors
/// The file can't be made or opened, or the file system knows no locks.
pub fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
