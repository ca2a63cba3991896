//! SQLite: a file of this process, or of several on this machine.
//!
//! SQLite in two sentences: WAL mode lets readers go on while one writer appends to a log, and
//! `synchronous=FULL` has every commit wait until the disk has that log. So what was acknowledged
//! survives `kill -9` and a power cut, and a read never waits for a write.

mod group_commit;
mod open;

use std::path::Path;
use std::sync::Arc;

use hop::http::Exchange;
use journey::semconv::name;
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction};

use crate::error::DatabaseError;
use group_commit::Writer;

/// A SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct Sqlite {
    /// Only reads; never waits for the writer.
    reader: Arc<Mutex<Connection>>,
    writer: Writer,
}

impl Sqlite {
    /// Opens the file, or creates it and its folder.
    ///
    /// `prepare` brings the tables into the state that the program expects; every process does that at every start, so
    /// it leaves alone what is there. `verify` reads something of every table, which fails when they are someone
    /// else's.
    ///
    /// # Errors
    /// The file can't be created, is damaged, is no database, has other tables, or stays locked for 10 s. The text
    /// names the file and says what to do.
    pub async fn open(
        path: &Path,
        prepare: impl Fn(&Transaction<'_>) -> rusqlite::Result<()>,
        verify: impl Fn(&Connection) -> rusqlite::Result<()>,
    ) -> anyhow::Result<Self> {
        let (reader, writer) = open::open(path, &prepare, &verify).await?;
        Ok(Sqlite { reader: Arc::new(Mutex::new(reader)), writer: Writer::new(writer) })
    }

    /// Reads, right here on the calling thread: one row by its key takes some 20 µs from the page cache, less than
    /// handing the query to another thread and waking up again.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DatabaseError> {
        Ok(query(&self.reader.lock())?)
    }

    /// Changes something in a transaction; returns when that is on the disk. Once begun it is finished, even if
    /// nobody waits for it any more. `change` may be called twice, of which one is rolled back.
    ///
    /// The current [`Exchange`] learns what the time went into: its spans `queue`, `execute` and `fsync`.
    ///
    /// # Errors
    /// See [`DatabaseError`]; nothing is then changed.
    pub async fn write<T: Send + 'static>(
        &self,
        change: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        let queued = hop::clock::now();
        let (result, times) = self.writer.write(change).await?;
        let exchange = Exchange::current();
        exchange.record_wait(name::QUEUE, queued, times.begun);
        exchange.record("execute", times.begun, times.executed);
        exchange.record_wait(name::FSYNC, times.executed, times.committed);
        Ok(result)
    }
}

#[cfg(test)]
mod tests;
