//! Group commit: changes that wait at the same moment share one wait for the disk.
//!
//! A commit waits for the disk (some 0.3 ms, and now and then a checkpoint's many), which would stop every other
//! request of this process. So it gets a thread; one, because SQLite writes one transaction at a time anyway. Whoever
//! has the writer commits the changes of all who wait for it.

use std::sync::Arc;

use hop::clock;
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use crate::error::DatabaseError;

/// The one connection that writes, and the changes whose turn has not come. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer {
    /// The lock is asynchronous: whoever waits for it holds no thread.
    connection: Arc<tokio::sync::Mutex<Connection>>,
    waiting: Arc<Mutex<Vec<Box<dyn Change>>>>,
}

/// When the steps of a write were over, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The transaction has begun: nobody else writes.
    pub(super) begun: u64,
    /// All changes of the transaction are executed.
    pub(super) executed: u64,
    /// They are on the disk.
    pub(super) committed: u64,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        Writer { connection: Arc::new(tokio::sync::Mutex::new(connection)), waiting: Arc::default() }
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        statements: impl Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<(T, Times), DatabaseError> {
        let stopping = |error: Box<dyn std::error::Error + Send + Sync>| DatabaseError::Stopping(error);
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().push(Box::new(Queued { statements, result: None, sender }));
        let mut connection = Arc::clone(&self.connection).lock_owned().await;
        let group = std::mem::take(&mut *self.waiting.lock());
        if !group.is_empty() {
            let written = tokio::task::spawn_blocking(move || commit_group(&mut connection, group));
            written.await.map_err(|error| stopping(error.into()))?;
        }
        Ok(receiver.await.map_err(|error| stopping(error.into()))??)
    }
}

/// A change that waits for its turn. It may be executed twice: if the group can't be committed, each is on its own.
trait Change: Send {
    fn execute(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()>;
    fn finish(self: Box<Self>, committed: rusqlite::Result<Times>);
}

struct Queued<F, T> {
    statements: F,
    result: Option<T>,
    sender: oneshot::Sender<rusqlite::Result<(T, Times)>>,
}

impl<F, T> Change for Queued<F, T>
where
    F: Fn(&Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn execute(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.result = Some((self.statements)(transaction)?);
        Ok(())
    }

    fn finish(self: Box<Self>, committed: rusqlite::Result<Times>) {
        let Queued { result, sender, .. } = *self;
        // What was committed was executed. Nobody listens when the client went away.
        let executed = |times| Ok((result.ok_or(rusqlite::Error::InvalidQuery)?, times));
        let _ = sender.send(committed.and_then(executed));
    }
}

fn commit_group(connection: &mut Connection, mut group: Vec<Box<dyn Change>>) {
    if group.len() > 1
        && let Ok(times) = commit(connection, &mut group)
    {
        return group.into_iter().for_each(|change| change.finish(Ok(times)));
    }
    for mut change in group {
        let committed = commit(connection, std::slice::from_mut(&mut change));
        change.finish(committed);
    }
}

fn commit(connection: &mut Connection, group: &mut [Box<dyn Change>]) -> rusqlite::Result<Times> {
    // IMMEDIATE takes the write lock at the beginning, where waiting for it is possible; a read lock that
    // wants to become a write lock is refused instead.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let begun = clock::now();
    for change in group {
        change.execute(&transaction)?;
    }
    let executed = clock::now();
    transaction.commit()?; // the changes are appended to the log, and fdatasync happens in here
    Ok(Times { begun, executed, committed: clock::now() })
}
