//! SQLite: a file of this process, or of all instances on this machine.
//!
//! SQLite in two sentences: WAL mode lets readers go on while one writer appends to a log, and
//! `synchronous=FULL` has every commit wait until the disk has that log. So what was acknowledged
//! survives `kill -9` and a power cut, and a read never waits for a write.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use hop::clock;
use hop::http::Exchange;
use journey::semconv::name;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{Change, Item, MEMORY, Name, ProductId, Released, Reservation, StockError, Taken};

/// How long to wait at the start for a database that someone else has locked.
const START_LIMIT: Duration = Duration::from_secs(10);
/// How long one attempt, at the start, waits for a lock.
const ATTEMPT: Duration = Duration::from_millis(100);
/// How long a write waits for the other instance's write; on a thread of its own.
const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// How often the lock is looked at meanwhile. SQLite's own pauses grow to 100 ms, and an instance that is
/// busy takes the lock again within a few microseconds: whoever waits for long would wait for ever.
const LOOK: Duration = Duration::from_micros(100);
/// How long a read may wait. In WAL mode readers wait for nobody, but for rare moments such as the
/// recovery after a crash; and while one waits, nothing else runs here.
const READ_LIMIT: Duration = Duration::from_millis(20);

impl From<rusqlite::Error> for StockError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StockError::Full(error.into()),
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory,
            ) => StockError::Unavailable(error.into()),
            _ => StockError::Broken(error.into()),
        }
    }
}

/// The stock in a SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct Sqlite {
    /// Only reads; never waits for the writer.
    reader: Arc<Mutex<Connection>>,
    /// Only writes. The lock is asynchronous: whoever waits for it holds no thread.
    writer: Arc<tokio::sync::Mutex<Connection>>,
    /// Changes whose turn has not come.
    waiting: Arc<Mutex<Vec<Box<dyn Job>>>>,
    /// Whose request this handle serves, if it is one: it learns what a write's time went into.
    exchange: Option<Exchange>,
}

/// When the steps of a write were over, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// The transaction has begun: nobody else writes.
    begun: u64,
    /// All changes of the transaction are made.
    made: u64,
    /// They are on the disk.
    committed: u64,
}

impl Sqlite {
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
        Ok(Sqlite {
            reader: Arc::new(Mutex::new(reader)),
            writer: Arc::new(tokio::sync::Mutex::new(writer)),
            waiting: Arc::default(),
            exchange: None,
        })
    }

    /// A handle whose writes tell this request what their time went into.
    pub fn serving(&self, exchange: &Exchange) -> Self {
        Sqlite { exchange: Some(exchange.clone()), ..self.clone() }
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
        let rows = query
            .query_map([limit], |row| Ok(Item { product_id: Name(row.get(0)?), available: row.get(1)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// See [`Stock::set`](super::Stock::set).
    ///
    /// # Errors
    /// See [`StockError`]; the stock is then unchanged.
    pub async fn set(&self, item: Item) -> Result<Change, StockError> {
        self.write(move |transaction| set(transaction, &item)).await
    }

    /// See [`Stock::reserve`](super::Stock::reserve).
    ///
    /// # Errors
    /// See [`StockError`]; nothing is then taken.
    pub async fn reserve(&self, wanted: Reservation, now: i64) -> Result<Taken, StockError> {
        self.write(move |transaction| reserve(transaction, &wanted, now)).await
    }

    /// See [`Stock::release`](super::Stock::release).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn release(&self, id: Name, product: ProductId, now: i64) -> Result<Released, StockError> {
        self.write(move |transaction| release(transaction, &id, &product, now)).await
    }

    /// See [`Stock::give_back`](super::Stock::give_back).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn give_back(&self, units: Reservation, now: i64) -> Result<bool, StockError> {
        self.write(move |transaction| {
            let first = remember(transaction, &units, "returned", now)?;
            if first {
                add(transaction, &units.product_id, units.quantity)?;
            }
            Ok(first)
        })
        .await
    }

    /// See [`Stock::confirm`](super::Stock::confirm).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn confirm(&self, ids: Vec<Name>, now: i64) -> Result<(), StockError> {
        self.write(move |transaction| {
            for id in &ids {
                let sql = "UPDATE movement SET state = 'confirmed', at = ?2 WHERE id = ?1 AND state = 'held'";
                transaction.prepare_cached(sql)?.execute((&id.0, now))?;
            }
            let sql = "DELETE FROM movement WHERE state <> 'held' AND at < ?1";
            transaction.prepare_cached(sql)?.execute([now - MEMORY])?;
            Ok(())
        })
        .await
    }

    /// See [`Stock::held`](super::Stock::held).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn held(&self, since: i64, limit: u32) -> Result<Vec<Reservation>, StockError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = reader.prepare_cached(
            "SELECT id, product_id, quantity FROM movement
             WHERE state = 'held' AND at < ?1 ORDER BY at LIMIT ?2",
        )?;
        let rows = query.query_map((since, limit), |row| {
            Ok(Reservation {
                reservation_id: Name(row.get(0)?),
                product_id: Name(row.get(1)?),
                quantity: row.get(2)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Changes something; returns when that is on disk.
    ///
    /// The commit waits for the disk (some 0.3 ms, and now and then a checkpoint's many), which would
    /// stop every other request of this process. So it gets a thread; one, because SQLite writes one
    /// transaction at a time anyway. Whoever's turn it is commits the changes of all who wait, so that they
    /// share one wait for the disk. Once begun it is finished, even if the client goes away.
    async fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StockError> {
        let asked = clock::now();
        let (tell, told) = oneshot::channel();
        let job = Waiting { change, outcome: None, tell };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(job));
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let jobs = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if !jobs.is_empty() {
            let written = tokio::task::spawn_blocking(move || write_all(&mut writer, jobs));
            written.await.map_err(|error| StockError::Stopping(error.into()))?;
        }
        let (result, times) = told.await.map_err(|error| StockError::Stopping(error.into()))??;
        if let Some(exchange) = &self.exchange {
            exchange.record_wait(name::QUEUE, asked, times.begun);
            exchange.record("execute", times.begun, times.made);
            exchange.record_wait(name::FSYNC, times.made, times.committed);
        }
        Ok(result)
    }
}

/// A change that waits for its turn. It may be made twice: if it can't be made together with others, it is
/// made alone.
trait Job: Send {
    fn make(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;
    fn end(self: Box<Self>, committed: rusqlite::Result<Times>);
}

struct Waiting<F, T> {
    change: F,
    outcome: Option<T>,
    tell: oneshot::Sender<rusqlite::Result<(T, Times)>>,
}

impl<F, T> Job for Waiting<F, T>
where
    F: Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn make(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.outcome = Some((self.change)(transaction)?);
        Ok(())
    }

    fn end(self: Box<Self>, committed: rusqlite::Result<Times>) {
        let Waiting { outcome, tell, .. } = *self;
        // A change that was committed was made. Nobody listens when the client went away.
        let made = |times| Ok((outcome.ok_or(rusqlite::Error::InvalidQuery)?, times));
        let _ = tell.send(committed.and_then(made));
    }
}

fn write_all(connection: &mut Connection, mut jobs: Vec<Box<dyn Job>>) {
    if jobs.len() > 1
        && let Ok(times) = commit(connection, &mut jobs)
    {
        return jobs.into_iter().for_each(|job| job.end(Ok(times)));
    }
    for mut job in jobs {
        let committed = commit(connection, std::slice::from_mut(&mut job));
        job.end(committed);
    }
}

fn commit(connection: &mut Connection, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<Times> {
    // IMMEDIATE takes the write lock at the beginning, where waiting for it is possible; a read lock that
    // wants to become a write lock is refused instead.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let begun = clock::now();
    for job in jobs {
        job.make(&transaction)?;
    }
    let made = clock::now();
    transaction.commit()?; // the changes are appended to the log, and fdatasync happens in here
    Ok(Times { begun, made, committed: clock::now() })
}

fn set(transaction: &Transaction<'_>, item: &Item) -> rusqlite::Result<Change> {
    let row = (&item.product_id.0, item.available);
    let sql = "UPDATE stock SET available = ?2 WHERE product_id = ?1";
    if transaction.prepare_cached(sql)?.execute(row)? > 0 {
        return Ok(Change::Replaced);
    }
    let sql = "INSERT INTO stock (product_id, available) VALUES (?1, ?2)";
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(Change::Created)
}

fn reserve(transaction: &Transaction<'_>, wanted: &Reservation, now: i64) -> rusqlite::Result<Taken> {
    let Reservation { reservation_id, product_id, quantity } = wanted;
    let sql = "SELECT product_id, quantity, state FROM movement WHERE id = ?1";
    let known: Option<(String, u32, String)> = transaction
        .prepare_cached(sql)?
        .query_one([&reservation_id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((product, taken, state)) = known {
        return Ok(match state.as_str() {
            "released" => Taken::Ended,
            "held" | "confirmed" if product == product_id.0 && taken == *quantity => Taken::Before,
            _ => Taken::Other,
        });
    }
    let sql = "UPDATE stock SET available = available - ?2 WHERE product_id = ?1 AND available >= ?2";
    if transaction.prepare_cached(sql)?.execute((&product_id.0, quantity))? == 0 {
        let sql = "SELECT available FROM stock WHERE product_id = ?1";
        let left =
            transaction.prepare_cached(sql)?.query_one([&product_id.0], |row| row.get(0)).optional()?;
        return Ok(left.map_or(Taken::Unknown, Taken::TooFew));
    }
    remember(transaction, wanted, "held", now)?;
    Ok(Taken::Now)
}

fn release(
    transaction: &Transaction<'_>,
    id: &Name,
    product: &ProductId,
    now: i64,
) -> rusqlite::Result<Released> {
    let sql = "UPDATE movement SET state = 'released', at = ?3
               WHERE id = ?1 AND product_id = ?2 AND state = 'held' RETURNING quantity";
    let freed: Option<u32> =
        transaction.prepare_cached(sql)?.query_one((&id.0, &product.0, now), |row| row.get(0)).optional()?;
    if let Some(quantity) = freed {
        add(transaction, product, quantity)?;
        return Ok(Released::Done);
    }
    // Not taken yet, perhaps never: a request that is still on its way must find the door closed.
    let nothing = Reservation { reservation_id: id.clone(), product_id: product.clone(), quantity: 0 };
    if remember(transaction, &nothing, "released", now)? {
        return Ok(Released::Done);
    }
    let sql = "SELECT state FROM movement WHERE id = ?1";
    let state: String = transaction.prepare_cached(sql)?.query_one([&id.0], |row| row.get(0))?;
    Ok(if state == "released" { Released::Done } else { Released::Confirmed })
}

/// Writes the row, unless there is one of that id.
fn remember(
    transaction: &Transaction<'_>,
    units: &Reservation,
    state: &str,
    now: i64,
) -> rusqlite::Result<bool> {
    let Reservation { reservation_id, product_id, quantity } = units;
    let sql =
        "INSERT OR IGNORE INTO movement (id, product_id, quantity, state, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let rows =
        transaction.prepare_cached(sql)?.execute((&reservation_id.0, &product_id.0, quantity, state, now))?;
    Ok(rows > 0)
}

/// Puts units back on the shelf, which holds no more than it can.
fn add(transaction: &Transaction<'_>, product: &ProductId, quantity: u32) -> rusqlite::Result<()> {
    let sql = "UPDATE stock SET available = min(available + ?2, 4294967295) WHERE product_id = ?1";
    transaction.prepare_cached(sql)?.execute((&product.0, quantity))?;
    Ok(())
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
        ) STRICT, WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS movement (
            id TEXT PRIMARY KEY,
            product_id TEXT NOT NULL,
            quantity INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 4294967295),
            state TEXT NOT NULL CHECK (state IN ('held', 'confirmed', 'released', 'returned')),
            at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX IF NOT EXISTS movement_by_age ON movement (state, at);",
    )?;
    for item in seed {
        // Both instances do this, at every start: what is already there is never touched.
        start.execute(
            "INSERT OR IGNORE INTO stock (product_id, available) VALUES (?1, ?2)",
            (&item.product_id.0, item.available),
        )?;
    }
    start.commit()?;
    writer.busy_handler(Some(look_again))?;

    let reader = Connection::open_with_flags(path, flags)?;
    reader.busy_timeout(READ_LIMIT)?;
    reader.pragma_update(None, "query_only", true)?;
    // Also fails here, and not later, if the table is someone else's.
    reader.query_row("SELECT count(product_id), max(available) FROM stock", [], |_| Ok(()))?;
    reader
        .query_row("SELECT id, product_id, quantity, state, at FROM movement LIMIT 1", [], |_| Ok(()))
        .optional()?;
    Ok((reader, writer))
}

/// Another process has the lock: again, or is it enough? SQLite counts the looks.
#[allow(clippy::disallowed_methods, reason = "nobody says when a file's lock is free: one has to look")]
fn look_again(looks: i32) -> bool {
    std::thread::sleep(LOOK);
    LOOK * looks.unsigned_abs() < WRITE_LIMIT
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
        _ => "its tables \"stock\" and \"movement\" are not this program's: give DATABASE_URL another path",
    };
    let path: PathBuf = path.into();
    anyhow::Error::new(error).context(format!("open the database {}: {remedy}", path.display()))
}

#[cfg(test)]
mod tests;
