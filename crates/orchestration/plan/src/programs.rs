//! Where this machine's programs are.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Where daemons lie; not in every user's PATH.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The user's PATH, and behind it the folders of daemons.
pub fn search_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(SBIN.map(PathBuf::from));
    std::env::join_paths(folders).unwrap_or(path)
}

/// The program of this name.
pub fn find(name: &str) -> Option<PathBuf> {
    find_in(name, &search_path())
}

/// The program of this name in the folders of a PATH.
pub(crate) fn find_in(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
