//! Opening a SQLite file: the settings of both connections, and what to do when it can't be opened.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

/// How long to wait at the start for a database that someone else has locked.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long one attempt, at the start, waits for a lock.
const ATTEMPT: Duration = Duration::from_millis(100);
/// How long a write waits for another process's write; on a thread of its own.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// The pause between two looks at the lock meanwhile. SQLite's own pauses grow to 100 ms, and a process that is
/// busy takes the lock again within a few microseconds: whoever waits for long would wait for ever.
const PAUSE: Duration = Duration::from_micros(100);
/// How long a read may wait. In WAL mode readers wait for nobody, but for rare moments such as the
/// recovery after a crash; and while one waits, nothing else runs here.
const READ_LIMIT: Duration = Duration::from_millis(20);

/// Opens a connection that only reads and one that writes.
pub(super) async fn open(
    path: &Path,
    prepare: &impl Fn(&Transaction<'_>) -> rusqlite::Result<()>,
    verify: &impl Fn(&Connection) -> rusqlite::Result<()>,
) -> anyhow::Result<(Connection, Connection)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        std::fs::create_dir_all(folder).with_context(|| format!("create the folder {}", folder.display()))?;
    }
    // Two processes that start at the same time on a new file get in each other's way here: switching it
    // to WAL needs it exclusively, and SQLite then does not wait but says "busy". Try again.
    let shown = path.display();
    let what = format!("{shown}: another program holds it locked (`fuser {shown}` names it)");
    hop::wait::until(what, START_LIMIT, async || match connect(path, prepare, verify) {
        Err(error) if is_busy(&error) => None,
        outcome => Some(outcome),
    })
    .await
    .context("open the database")?
    .map_err(|error| explain(error, path))
}

fn connect(
    path: &Path,
    prepare: &impl Fn(&Transaction<'_>) -> rusqlite::Result<()>,
    verify: &impl Fn(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<(Connection, Connection)> {
    // No SQLITE_OPEN_URI: a path is a path, whatever characters are in it.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut writer = Connection::open_with_flags(path, flags)?;
    writer.busy_timeout(ATTEMPT)?;
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "FULL")?;
    // Damage shows now, with its name, and not in the middle of some request.
    let verdict: String = writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(corrupt, Some(verdict)));
    }
    let start = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    prepare(&start)?;
    start.commit()?;
    writer.busy_handler(Some(wait_for_lock))?;

    let reader = Connection::open_with_flags(path, flags)?;
    reader.busy_timeout(READ_LIMIT)?;
    reader.pragma_update(None, "query_only", true)?;
    verify(&reader)?;
    Ok((reader, writer))
}

/// Another process has the lock: try again, or is it enough? SQLite counts the attempts.
#[allow(clippy::disallowed_methods, reason = "nobody says when a file's lock is free: one has to look")]
fn wait_for_lock(attempts: i32) -> bool {
    std::thread::sleep(PAUSE);
    PAUSE * attempts.unsigned_abs() < WRITE_LIMIT
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Adds which file it is and what the reader can do about it.
fn explain(error: rusqlite::Error, path: &Path) -> anyhow::Error {
    let remedy = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is not a SQLite database: give DATABASE_URL another path",
        Some(ErrorCode::DatabaseCorrupt) => {
            "it is damaged: restore it from a copy, or move it (and its -wal and -shm) away to begin anew"
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "it must be a file that this user may write, in a folder that this user may write"
        }
        Some(ErrorCode::DiskFull) => "the disk is full: make room",
        Some(ErrorCode::SystemIoFailure) => "the disk failed to read or write it: see the kernel's log",
        _ => "its tables are not this program's: give DATABASE_URL another path",
    };
    anyhow::Error::new(error).context(format!("open the database {}: {remedy}", path.display()))
}
