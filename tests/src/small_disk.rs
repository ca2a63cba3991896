//! A disk that is soon full.
//!
//! One file without neighbours, so that suites of other crates can include it.
#![allow(unreachable_pub, reason = "other suites include this file")]

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs, unmounted when dropped.
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// Mounts one of so many MiB.
    ///
    /// # Errors
    /// It can't be had here; the text says why.
    pub fn mount(mib: usize) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| format!("make a folder: {error}"))?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(folder.path());
        let output = mount.output().map_err(|error| format!("start mount: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(Self(folder)) } else { Err(format!("{said}(mounting needs root)")) }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a program that is being ended may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
