//! Bytes that are cut off the log, in a file beside it: nothing is thrown away that somebody may miss.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// So many are kept; the oldest goes.
pub(super) const KEPT_FILES: usize = 16;
const KIND: &str = ".unfinished-";

/// Copies what lies in `log` from byte `from` on, and returns when the copy is on the disk. Until the log is cut,
/// the next start makes the same copy again, under the same name.
///
/// # Errors
/// Whatever the disk says; the log is untouched.
pub(super) fn save(log: &Path, from: u64) -> io::Result<PathBuf> {
    let mut source = File::open(log)?;
    source.seek(SeekFrom::Start(from))?;
    let beside = |end: &str| {
        let mut name = log.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let temporary = beside(".aside");
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
    // As private as the log.
    copy.set_permissions(source.metadata()?.permissions())?;
    io::copy(&mut source, &mut copy)?;
    copy.sync_all()?;
    let mut saved = beside(&format!("{KIND}{from}"));
    let mut number = 1;
    while saved.exists() && !same(&saved, &temporary)? {
        number += 1;
        saved = beside(&format!("{KIND}{from}.{number}"));
    }
    fs::rename(&temporary, &saved)?;
    let folder = log.parent().unwrap_or(Path::new("."));
    remove_oldest(folder)?;
    hop::files::sync_folder(folder)?;
    Ok(saved)
}

fn same(a: &Path, b: &Path) -> io::Result<bool> {
    if fs::metadata(a)?.len() != fs::metadata(b)?.len() {
        return Ok(false);
    }
    let bytes = |path| io::Result::Ok(io::BufReader::new(File::open(path)?).bytes());
    for (a, b) in bytes(a)?.zip(bytes(b)?) {
        if a? != b? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn remove_oldest(folder: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(KIND) {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort();
    for (_, path) in found.iter().take(found.len().saturating_sub(KEPT_FILES)) {
        tracing::warn!(file = %path.display(), "removed: {KEPT_FILES} younger files with unfinished writes lie beside it");
        fs::remove_file(path)?;
    }
    Ok(())
}
