//! Writing secrets so that nobody ever reads half a file, or a key that is not theirs.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Mode 0644.
    Public,
    /// Mode 0600, from the first byte on.
    Secret,
}

/// Writes a file in one step: it is there with all of its content, or not at all.
pub(super) fn write(path: &Path, content: &str, access: Access) -> anyhow::Result<()> {
    let temporary = path.with_extension(format!("new-{}", std::process::id()));
    let mode = if access == Access::Secret { 0o600 } else { 0o644 };
    let store = || {
        // What an interrupted run left behind may have other rights.
        let _ = std::fs::remove_file(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    store().with_context(|| format!("write {}", path.display()))
}

/// Reads a text file; `None` when it is not there or not text.
pub(super) fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}
