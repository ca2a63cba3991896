//! PostgreSQL: a server across a socket, which other instances share.
//!
//! The same tables and the same questions as in [`sqlite`](super::sqlite). What differs: many may write at
//! once here, so a reservation begins with its row, which makes a second one of that name wait; and each
//! question costs round trips, which is what a database of one's own on another machine costs.
//!
//! A commit is durable when `synchronous_commit` is on, which each connection sets for itself, and when the
//! server's `fsync` is, which only its owner can set: if it is off, that is said at the start.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Transaction};

use super::{Change, Item, MEMORY, Name, ProductId, Released, Reservation, StockError, Taken};

/// Connections of one instance at most: PostgreSQL has 100 for all its clients, by default.
const CONNECTIONS: usize = 16;
/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long the server may think about one statement before it gives up and says so.
const STATEMENT_LIMIT: &str = "5s";
/// Instances that start together create the tables one after the other; the number is ours alone.
const START_LOCK: i64 = 0x73_746f_636b;

const TABLES: &str = "\
    CREATE TABLE IF NOT EXISTS stock (
        product_id TEXT COLLATE \"C\" PRIMARY KEY,
        available BIGINT NOT NULL CHECK (available BETWEEN 0 AND 4294967295)
    );
    CREATE TABLE IF NOT EXISTS movement (
        id TEXT COLLATE \"C\" PRIMARY KEY,
        product_id TEXT NOT NULL,
        quantity BIGINT NOT NULL CHECK (quantity BETWEEN 0 AND 4294967295),
        state TEXT NOT NULL CHECK (state IN ('held', 'confirmed', 'released', 'returned')),
        at BIGINT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS movement_by_age ON movement (state, at);";

impl From<Error> for StockError {
    fn from(error: Error) -> Self {
        match error.code() {
            Some(code) if *code == SqlState::DISK_FULL => StockError::Full(error.into()),
            // No code: it never came to an answer. Classes 08, 40, 53, 55, 57, 58: the server's state, not the question.
            None => StockError::Unavailable(error.into()),
            Some(code) if ["08", "40", "53", "55", "57", "58"].contains(&&code.code()[..2]) => {
                StockError::Unavailable(error.into())
            }
            Some(_) => StockError::Broken(error.into()),
        }
    }
}

/// The stock in a PostgreSQL database. Cheap to clone.
#[derive(Clone)]
pub struct Postgres(Arc<Pool>);

struct Pool {
    config: Config,
    places: Semaphore,
    idle: Mutex<Vec<Client>>,
}

impl Postgres {
    /// Connects, creates what is missing, and adds the seed's products that it does not know.
    ///
    /// # Errors
    /// The server does not answer, refuses the login, or has other tables of these names.
    pub async fn open(config: &Config, seed: &[Item]) -> anyhow::Result<Self> {
        let pool =
            Pool { config: config.clone(), places: Semaphore::new(CONNECTIONS), idle: Mutex::default() };
        let postgres = Postgres(Arc::new(pool));
        let seed = seed.to_vec();
        postgres
            .transaction(async |transaction| {
                transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&START_LOCK]).await?;
                transaction.batch_execute(TABLES).await?;
                for Item { product_id, available } in &seed {
                    let sql = "INSERT INTO stock (product_id, available) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                    transaction.execute(sql, &[&product_id.0, &i64::from(*available)]).await?;
                }
                let fsync: String = transaction.query_one("SHOW fsync", &[]).await?.get(0);
                if fsync != "on" {
                    tracing::warn!("this PostgreSQL has fsync = {fsync}: what it acknowledges may not survive a power cut");
                }
                Ok::<(), StockError>(())
            })
            .await
            .context("open the database: is PostgreSQL running where DATABASE_URL says, and may this user create tables?")?;
        Ok(postgres)
    }

    /// See [`Stock::find`](super::Stock::find).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn find(&self, product: &ProductId) -> Result<Option<u32>, StockError> {
        let sql = "SELECT available FROM stock WHERE product_id = $1";
        let row = self.with(async |client| client.query_opt(sql, &[&product.0]).await).await?;
        Ok(row.map(|row| number(&row, 0)))
    }

    /// See [`Stock::list`](super::Stock::list).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn list(&self, limit: u32) -> Result<Vec<Item>, StockError> {
        let sql = "SELECT product_id, available FROM stock ORDER BY product_id LIMIT $1";
        let rows = self.with(async |client| client.query(sql, &[&i64::from(limit)]).await).await?;
        let item = |row: &Row| Item { product_id: Name(row.get(0)), available: number(row, 1) };
        Ok(rows.iter().map(item).collect())
    }

    /// See [`Stock::set`](super::Stock::set).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn set(&self, Item { product_id, available }: Item) -> Result<Change, StockError> {
        // xmax is 0 in a row that was inserted and not updated.
        let sql = "INSERT INTO stock (product_id, available) VALUES ($1, $2)
                   ON CONFLICT (product_id) DO UPDATE SET available = excluded.available
                   RETURNING xmax::text = '0'";
        let available = i64::from(available);
        let row = self.with(async |client| client.query_one(sql, &[&product_id.0, &available]).await).await?;
        Ok(if row.get(0) { Change::Created } else { Change::Replaced })
    }

    /// See [`Stock::reserve`](super::Stock::reserve).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn reserve(&self, wanted: Reservation, now: i64) -> Result<Taken, StockError> {
        let taken = self.transaction(async |transaction| reserve(transaction, &wanted, now).await).await;
        match taken {
            // The row was written before it was known that there are too few, and is gone again.
            Err(Undone::Because(taken)) => Ok(taken),
            Err(Undone::Failed(error)) => Err(error),
            Ok(taken) => Ok(taken),
        }
    }

    /// See [`Stock::release`](super::Stock::release).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn release(&self, id: Name, product: ProductId, now: i64) -> Result<Released, StockError> {
        self.transaction(async |transaction| {
            let sql = "UPDATE movement SET state = 'released', at = $3
                       WHERE id = $1 AND product_id = $2 AND state = 'held' RETURNING quantity";
            if let Some(row) = transaction.query_opt(sql, &[&id.0, &product.0, &now]).await? {
                add(transaction, &product, row.get(0)).await?;
                return Ok(Released::Done);
            }
            let nothing =
                Reservation { reservation_id: id.clone(), product_id: product.clone(), quantity: 0 };
            if remember(transaction, &nothing, "released", now).await? {
                return Ok(Released::Done);
            }
            let row = transaction.query_one("SELECT state FROM movement WHERE id = $1", &[&id.0]).await?;
            Ok(if row.get::<_, &str>(0) == "released" { Released::Done } else { Released::Confirmed })
        })
        .await
    }

    /// See [`Stock::give_back`](super::Stock::give_back).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn give_back(&self, units: Reservation, now: i64) -> Result<bool, StockError> {
        self.transaction(async |transaction| {
            let first = remember(transaction, &units, "returned", now).await?;
            if first {
                add(transaction, &units.product_id, units.quantity.into()).await?;
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
        let ids: Vec<String> = ids.into_iter().map(|Name(id)| id).collect();
        self.transaction(async |transaction| {
            let sql =
                "UPDATE movement SET state = 'confirmed', at = $2 WHERE id = ANY($1) AND state = 'held'";
            transaction.execute(sql, &[&ids, &now]).await?;
            let sql = "DELETE FROM movement WHERE state <> 'held' AND at < $1";
            transaction.execute(sql, &[&(now - MEMORY)]).await?;
            Ok(())
        })
        .await
    }

    /// See [`Stock::held`](super::Stock::held).
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn held(&self, since: i64, limit: u32) -> Result<Vec<Reservation>, StockError> {
        let sql = "SELECT id, product_id, quantity FROM movement
                   WHERE state = 'held' AND at < $1 ORDER BY at LIMIT $2";
        let rows = self.with(async |client| client.query(sql, &[&since, &i64::from(limit)]).await).await?;
        let held = |row: &Row| Reservation {
            reservation_id: Name(row.get(0)),
            product_id: Name(row.get(1)),
            quantity: number(row, 2),
        };
        Ok(rows.iter().map(held).collect())
    }

    /// One statement, which is a transaction of its own.
    async fn with<T>(&self, ask: impl AsyncFnOnce(&Client) -> Result<T, Error>) -> Result<T, StockError> {
        let (_place, client) = self.client().await?;
        let answer = ask(&client).await?;
        self.give_back_connection(client);
        Ok(answer)
    }

    /// Several statements, all or nothing; returns when that is on disk.
    async fn transaction<T, E: From<Error> + From<StockError>>(
        &self,
        change: impl AsyncFnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (_place, mut client) = self.client().await?;
        let transaction = client.transaction().await?;
        match change(&transaction).await {
            Ok(outcome) => {
                transaction.commit().await?;
                self.give_back_connection(client);
                Ok(outcome)
            }
            Err(error) => {
                if transaction.rollback().await.is_ok() {
                    self.give_back_connection(client);
                }
                Err(error)
            }
        }
    }

    async fn client(&self) -> Result<(SemaphorePermit<'_>, Client), StockError> {
        let place = self.0.places.acquire().await.map_err(|error| StockError::Unavailable(error.into()))?;
        loop {
            let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match idle {
                Some(client) if client.is_closed() => {}
                Some(client) => return Ok((place, client)),
                None => break,
            }
        }
        let connected = tokio::time::timeout(CONNECT_LIMIT, self.0.config.connect(NoTls)).await;
        let (client, connection) = connected.map_err(|late| StockError::Unavailable(late.into()))??;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection to PostgreSQL");
            }
        });
        let sql = format!("SET synchronous_commit = on; SET statement_timeout = '{STATEMENT_LIMIT}'");
        client.batch_execute(&sql).await?;
        Ok((place, client))
    }

    fn give_back_connection(&self, client: Client) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }
}

/// Why a transaction was rolled back.
enum Undone {
    /// It is how things are.
    Because(Taken),
    Failed(StockError),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Undone::Failed(error.into())
    }
}

impl From<StockError> for Undone {
    fn from(error: StockError) -> Self {
        Undone::Failed(error)
    }
}

async fn reserve(transaction: &Transaction<'_>, wanted: &Reservation, now: i64) -> Result<Taken, Undone> {
    let Reservation { reservation_id, product_id, quantity } = wanted;
    if !remember(transaction, wanted, "held", now).await? {
        let sql = "SELECT product_id, quantity, state FROM movement WHERE id = $1";
        let row = transaction.query_one(sql, &[&reservation_id.0]).await?;
        let same = row.get::<_, &str>(0) == product_id.0 && number(&row, 1) == *quantity;
        return Ok(match row.get::<_, &str>(2) {
            "released" => Taken::Ended,
            "held" | "confirmed" if same => Taken::Before,
            _ => Taken::Other,
        });
    }
    let sql = "UPDATE stock SET available = available - $2 WHERE product_id = $1 AND available >= $2";
    if transaction.execute(sql, &[&product_id.0, &i64::from(*quantity)]).await? > 0 {
        return Ok(Taken::Now);
    }
    let sql = "SELECT available FROM stock WHERE product_id = $1";
    let left = transaction.query_opt(sql, &[&product_id.0]).await?;
    Err(Undone::Because(left.map_or(Taken::Unknown, |row| Taken::TooFew(number(&row, 0)))))
}

/// Writes the row, unless there is one of that id; waits for whoever is writing one.
async fn remember(
    transaction: &Transaction<'_>,
    units: &Reservation,
    state: &str,
    now: i64,
) -> Result<bool, Error> {
    let Reservation { reservation_id, product_id, quantity } = units;
    let sql = "INSERT INTO movement (id, product_id, quantity, state, at) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT DO NOTHING";
    let quantity = i64::from(*quantity);
    let rows = transaction.execute(sql, &[&reservation_id.0, &product_id.0, &quantity, &state, &now]).await?;
    Ok(rows > 0)
}

/// Puts units back on the shelf, which holds no more than it can.
async fn add(transaction: &Transaction<'_>, product: &ProductId, quantity: i64) -> Result<(), Error> {
    let sql = "UPDATE stock SET available = least(available + $2, 4294967295) WHERE product_id = $1";
    transaction.execute(sql, &[&product.0, &quantity]).await?;
    Ok(())
}

/// A column that the tables keep within 32 bits.
fn number(row: &Row, column: usize) -> u32 {
    u32::try_from(row.get::<_, i64>(column)).unwrap_or(u32::MAX)
}
