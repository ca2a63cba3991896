//! The stock and where it is kept: the only file that knows the database.
//!
//! Everything outside sees [`Stock`]: four questions, asynchronous although SQLite is not, because
//! whoever comes after it (a server across a socket) will be.
//!
//! SQLite in two sentences: WAL mode lets readers go on while one writer appends to a log, and
//! `synchronous=FULL` has every commit wait until the disk has that log. So what was acknowledged
//! survives `kill -9` and a power cut, and a read never waits for a write.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, TransactionBehavior};
use serde::Serialize;

/// How long to wait at the start for a database that someone else has locked.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long one attempt, at the start, waits for a lock.
const ATTEMPT: Duration = Duration::from_millis(100);
/// How long a write waits for the other instance's write; on a thread of its own.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How long a read may wait. In WAL mode readers wait for nobody, but for rare moments such as the
/// recovery after a crash; and while one waits, nothing else runs here.
const READ_LIMIT: Duration = Duration::from_millis(20);

/// The name of a product: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProductId(String);

impl FromStr for ProductId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(known) {
            Ok(ProductId(text.to_owned()))
        } else {
            Err("expected 1 to 64 letters, digits, '-', '_' or '.', such as PROD-123")
        }
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of the stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Which product.
    pub product_id: ProductId,
    /// How many can be bought now.
    pub available: u32,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The product was unknown before.
    Created,
    /// It had another number, or the same.
    Replaced,
}

/// Why the database did not answer. None of it is the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// Nothing was written: there is no room (SQLITE_FULL).
    #[error("the disk that holds the stock is full")]
    Full(#[source] rusqlite::Error),
    /// It may work again soon: locked by someone else, or the disk failed.
    #[error("the database can't be used now")]
    Unavailable(#[source] rusqlite::Error),
    /// It will not work again by itself: damaged, or not ours.
    #[error("the database is broken")]
    Broken(#[source] rusqlite::Error),
    /// The process ends before the write began.
    #[error("the service is stopping")]
    Stopping(#[source] tokio::task::JoinError),
}

impl From<rusqlite::Error> for StockError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StockError::Full(error),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory,
            ) => StockError::Unavailable(error),
            _ => StockError::Broken(error),
        }
    }
}

/// How many there are of what. Cheap to clone.
#[derive(Clone)]
pub struct Stock {
    /// Only reads; never waits for the writer.
    reader: Arc<Mutex<Connection>>,
    /// Only writes. The lock is asynchronous: whoever waits for it holds no thread.
    writer: Arc<tokio::sync::Mutex<Connection>>,
}

impl Stock {
    /// Opens the database, creates what is missing, and adds the seed's products that it does not know.
    ///
    /// # Errors
    /// The file can't be created or is damaged, is no database, or stays locked for 10 s. It names the
    /// file and what to do.
    pub async fn open(path: &Path, seed: &[Item]) -> anyhow::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("create the folder {}", folder.display()))?;
        }
        // Two instances that start together on a new file get in each other's way here: switching it
        // to WAL needs it exclusively, and SQLite then does not wait but says "busy". Try again.
        let shown = path.display();
        let what = format!("{shown}: another program holds it locked (`fuser {shown}` names it)");
        let (reader, writer) = hop::wait::until(what, START_LIMIT, async || match connect(path, seed) {
            Err(error) if is_busy(&error) => None,
            outcome => Some(outcome),
        })
        .await
        .context("open the database")?
        .map_err(|error| explain(error, path))?;
        Ok(Stock { reader: Arc::new(Mutex::new(reader)), writer: Arc::new(tokio::sync::Mutex::new(writer)) })
    }

    /// How many there are of a product, or `None` if nobody ever said.
    ///
    /// The query runs right here, on the one thread that does everything: one row by its key takes
    /// some 20 µs from the page cache, less than handing it to another thread and waking up again.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn find(&self, product: &ProductId) -> Result<Option<u32>, StockError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = reader.prepare_cached("SELECT available FROM stock WHERE product_id = ?1")?;
        Ok(query.query_one([&product.0], |row| row.get(0)).optional()?)
    }

    /// The first products by name, at most `limit`; a thousand take less than a millisecond.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn list(&self, limit: u32) -> Result<Vec<Item>, StockError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query =
            reader.prepare_cached("SELECT product_id, available FROM stock ORDER BY product_id LIMIT ?1")?;
        let rows = query.query_map([limit], |row| {
            Ok(Item { product_id: ProductId(row.get(0)?), available: row.get(1)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sets how many there are; returns when that is on disk.
    ///
    /// The commit waits for the disk (some 0.3 ms, and now and then a checkpoint's many), which would
    /// stop every other request of this process. So it gets a thread; one, because SQLite writes one
    /// transaction at a time anyway. Once begun it is finished, even if the client goes away.
    ///
    /// # Errors
    /// See [`StockError`]; the stock is then unchanged.
    pub async fn set(&self, item: Item) -> Result<Change, StockError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let written = tokio::task::spawn_blocking(move || write(&mut writer, &item)).await;
        Ok(written.map_err(StockError::Stopping)??)
    }
}

fn write(connection: &mut Connection, item: &Item) -> rusqlite::Result<Change> {
    // IMMEDIATE takes the write lock at the beginning, where waiting for it is possible; a read lock
    // that wants to become a write lock is refused instead.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let row = (&item.product_id.0, item.available);
    let updated =
        transaction.prepare_cached("UPDATE stock SET available = ?2 WHERE product_id = ?1")?.execute(row)?;
    if updated == 0 {
        transaction
            .prepare_cached("INSERT INTO stock (product_id, available) VALUES (?1, ?2)")?
            .execute(row)?;
    }
    transaction.commit()?; // fdatasync happens in here
    Ok(if updated == 0 { Change::Created } else { Change::Replaced })
}

/// Opens both connections and brings the file into the state this program expects.
fn connect(path: &Path, seed: &[Item]) -> rusqlite::Result<(Connection, Connection)> {
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
    start.execute_batch(
        "CREATE TABLE IF NOT EXISTS stock (
            product_id TEXT PRIMARY KEY,
            available INTEGER NOT NULL CHECK (available BETWEEN 0 AND 4294967295)
        ) STRICT, WITHOUT ROWID",
    )?;
    for item in seed {
        // Both instances do this, at every start: what is already there is never touched.
        start.execute(
            "INSERT OR IGNORE INTO stock (product_id, available) VALUES (?1, ?2)",
            (&item.product_id.0, item.available),
        )?;
    }
    start.commit()?;
    writer.busy_timeout(WRITE_LIMIT)?;

    let reader = Connection::open_with_flags(path, flags)?;
    reader.busy_timeout(READ_LIMIT)?;
    reader.pragma_update(None, "query_only", true)?;
    // Also fails here, and not later, if the table is someone else's.
    reader.query_row("SELECT count(product_id), max(available) FROM stock", [], |_| Ok(()))?;
    Ok((reader, writer))
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
        _ => "its table \"stock\" is not this program's: give DATABASE_URL another path",
    };
    let path: PathBuf = path.into();
    anyhow::Error::new(error).context(format!("open the database {}: {remedy}", path.display()))
}

#[cfg(test)]
mod tests;
