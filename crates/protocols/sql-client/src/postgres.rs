//! PostgreSQL: a server across a socket, which others share. Each statement costs round trips, which is what a
//! database of one's own on another machine costs.
//!
//! A commit is durable when `synchronous_commit` is on, which each connection sets for itself, and when the
//! server's `fsync` is, which only its owner can set: if it is off, that is said at the start.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, Config, Error, NoTls, Transaction};

use crate::error::DatabaseError;

/// Connections of one process at most: PostgreSQL has 100 for all its clients, by default.
const CONNECTIONS: usize = 16;
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long the server may think about one statement before it gives up and says so.
const STATEMENT_LIMIT: &str = "5s";

/// Connections to one PostgreSQL database. Cheap to clone.
#[derive(Clone)]
pub struct Postgres(Arc<Pool>);

struct Pool {
    config: Config,
    permits: Semaphore,
    idle: Mutex<Vec<Client>>,
}

impl Postgres {
    /// Connects, and has `prepare` bring the tables into the state that the program expects. Several processes may do
    /// that at the same time: `prepare` begins with a lock of its own (`pg_advisory_xact_lock`).
    ///
    /// # Errors
    /// The server does not respond, refuses the login, or has other tables of these names.
    pub async fn open(
        config: &Config,
        prepare: impl AsyncFnOnce(&Transaction<'_>) -> Result<(), Error>,
    ) -> anyhow::Result<Self> {
        let (config, permits) = (config.clone(), Semaphore::new(CONNECTIONS));
        let postgres = Postgres(Arc::new(Pool { config, permits, idle: Mutex::default() }));
        postgres
            .transaction(async |transaction| {
                prepare(transaction).await?;
                let fsync: String = transaction.query_one("SHOW fsync", &[]).await?.get(0);
                if fsync != "on" {
                    tracing::warn!("this PostgreSQL has fsync = {fsync}: what it acknowledges may not survive a power cut");
                }
                Ok::<(), DatabaseError>(())
            })
            .await
            .context("open the database: is PostgreSQL running where DATABASE_URL says, and may this user create tables?")?;
        Ok(postgres)
    }

    /// One statement, which is a transaction of its own; returns when that is on the disk.
    ///
    /// # Errors
    /// See [`DatabaseError`].
    pub async fn execute<T>(
        &self,
        statement: impl AsyncFnOnce(&Client) -> Result<T, Error>,
    ) -> Result<T, DatabaseError> {
        let (_permit, client) = self.connection().await?;
        let outcome = statement(&client).await?;
        self.0.idle.lock().push(client);
        Ok(outcome)
    }

    /// Several statements, all or nothing; returns when that is on the disk.
    ///
    /// # Errors
    /// The error of `change`, which rolls the transaction back, or the database's.
    pub async fn transaction<T, E: From<Error> + From<DatabaseError>>(
        &self,
        change: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (_permit, mut client) = self.connection().await?;
        let transaction = client.transaction().await?;
        match change(&transaction).await {
            Ok(outcome) => {
                transaction.commit().await?;
                self.0.idle.lock().push(client);
                Ok(outcome)
            }
            Err(error) => {
                if transaction.rollback().await.is_ok() {
                    self.0.idle.lock().push(client);
                }
                Err(error)
            }
        }
    }

    async fn connection(&self) -> Result<(SemaphorePermit<'_>, Client), DatabaseError> {
        let closed = |error: tokio::sync::AcquireError| DatabaseError::Unavailable(error.into());
        let permit = self.0.permits.acquire().await.map_err(closed)?;
        loop {
            let idle = self.0.idle.lock().pop();
            match idle {
                Some(client) if client.is_closed() => {}
                Some(client) => return Ok((permit, client)),
                None => break,
            }
        }
        let connected = tokio::time::timeout(CONNECT_LIMIT, self.0.config.connect(NoTls)).await;
        let (client, connection) = connected.map_err(|late| DatabaseError::Unavailable(late.into()))??;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to PostgreSQL");
            }
        });
        let sql = format!("SET synchronous_commit = on; SET statement_timeout = '{STATEMENT_LIMIT}'");
        client.batch_execute(&sql).await?;
        Ok((permit, client))
    }
}
