//! What a file system requires of those who want to find their files again.

use std::fs::File;
use std::io;
use std::path::Path;

/// A new name is on disk only when the folder that holds it is.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
