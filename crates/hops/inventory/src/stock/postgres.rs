//! The stock in a PostgreSQL: the same tables and the same operations as in [`sqlite`](super::sqlite).
//!
//! What differs: many may write at once here, so a reservation begins with its row, which makes a second one of that
//! name wait; and each statement costs round trips.

use sql_client::{DatabaseError, Postgres};
use tokio_postgres::{Config, Error, Row, Transaction};

use super::reservation::{Change, Item, MEMORY, Name, ProductId, Released, Reservation, Taken};

/// Instances that start at the same time create the tables one after the other; the number is ours alone.
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

/// What [`Stock`](super::Stock) does, in PostgreSQL.
#[derive(Clone)]
pub struct PostgresStock(Postgres);

impl PostgresStock {
    pub(super) async fn open(config: &Config, seed: &[Item]) -> anyhow::Result<Self> {
        let prepare = async |start: &Transaction<'_>| {
            start.execute("SELECT pg_advisory_xact_lock($1)", &[&START_LOCK]).await?;
            start.batch_execute(TABLES).await?;
            for Item { product_id, available } in seed {
                let sql = "INSERT INTO stock (product_id, available) VALUES ($1, $2) ON CONFLICT DO NOTHING";
                start.execute(sql, &[&product_id.0, &i64::from(*available)]).await?;
            }
            Ok(())
        };
        Ok(PostgresStock(Postgres::open(config, prepare).await?))
    }

    pub(super) async fn find(&self, product: &ProductId) -> Result<Option<u32>, DatabaseError> {
        let sql = "SELECT available FROM stock WHERE product_id = $1";
        let row = self.0.execute(async |client| client.query_opt(sql, &[&product.0]).await).await?;
        Ok(row.map(|row| number(&row, 0)))
    }

    pub(super) async fn list(&self, limit: u32) -> Result<Vec<Item>, DatabaseError> {
        let sql = "SELECT product_id, available FROM stock ORDER BY product_id LIMIT $1";
        let rows = self.0.execute(async |client| client.query(sql, &[&i64::from(limit)]).await).await?;
        let item = |row: &Row| Item { product_id: Name(row.get(0)), available: number(row, 1) };
        Ok(rows.iter().map(item).collect())
    }

    pub(super) async fn set(&self, Item { product_id, available }: Item) -> Result<Change, DatabaseError> {
        // xmax is 0 in a row that was inserted and not updated.
        let sql = "INSERT INTO stock (product_id, available) VALUES ($1, $2)
                   ON CONFLICT (product_id) DO UPDATE SET available = excluded.available
                   RETURNING xmax::text = '0'";
        let available = i64::from(available);
        let row =
            self.0.execute(async |client| client.query_one(sql, &[&product_id.0, &available]).await).await?;
        Ok(if row.get(0) { Change::Created } else { Change::Replaced })
    }

    pub(super) async fn reserve(&self, wanted: Reservation, now: i64) -> Result<Taken, DatabaseError> {
        let taken = self.0.transaction(async |transaction| reserve(transaction, &wanted, now).await).await;
        match taken {
            // The row was written before it was known that there are too few, and is gone again.
            Err(RolledBack::Because(taken)) => Ok(taken),
            Err(RolledBack::Failed(error)) => Err(error),
            Ok(taken) => Ok(taken),
        }
    }

    pub(super) async fn release(
        &self,
        id: Name,
        product: ProductId,
        now: i64,
    ) -> Result<Released, DatabaseError> {
        self.0
            .transaction(async |transaction| {
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

    pub(super) async fn restock(&self, units: Reservation, now: i64) -> Result<bool, DatabaseError> {
        self.0
            .transaction(async |transaction| {
                let first = remember(transaction, &units, "returned", now).await?;
                if first {
                    add(transaction, &units.product_id, units.quantity.into()).await?;
                }
                Ok(first)
            })
            .await
    }

    pub(super) async fn confirm(&self, ids: Vec<Name>, now: i64) -> Result<(), DatabaseError> {
        let ids: Vec<String> = ids.into_iter().map(|Name(id)| id).collect();
        self.0
            .transaction(async |transaction| {
                let sql =
                    "UPDATE movement SET state = 'confirmed', at = $2 WHERE id = ANY($1) AND state = 'held'";
                transaction.execute(sql, &[&ids, &now]).await?;
                let sql = "DELETE FROM movement WHERE state <> 'held' AND at < $1";
                transaction.execute(sql, &[&(now - MEMORY)]).await?;
                Ok(())
            })
            .await
    }

    pub(super) async fn held(&self, since: i64, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        let sql = "SELECT id, product_id, quantity FROM movement
                   WHERE state = 'held' AND at < $1 ORDER BY at LIMIT $2";
        let rows =
            self.0.execute(async |client| client.query(sql, &[&since, &i64::from(limit)]).await).await?;
        let held = |row: &Row| Reservation {
            reservation_id: Name(row.get(0)),
            product_id: Name(row.get(1)),
            quantity: number(row, 2),
        };
        Ok(rows.iter().map(held).collect())
    }
}

/// Why a transaction was rolled back.
enum RolledBack {
    /// Nothing can be taken.
    Because(Taken),
    Failed(DatabaseError),
}

impl From<Error> for RolledBack {
    fn from(error: Error) -> Self {
        RolledBack::Failed(error.into())
    }
}

impl From<DatabaseError> for RolledBack {
    fn from(error: DatabaseError) -> Self {
        RolledBack::Failed(error)
    }
}

async fn reserve(transaction: &Transaction<'_>, wanted: &Reservation, now: i64) -> Result<Taken, RolledBack> {
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
    Err(RolledBack::Because(left.map_or(Taken::Unknown, |row| Taken::TooFew(number(&row, 0)))))
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
