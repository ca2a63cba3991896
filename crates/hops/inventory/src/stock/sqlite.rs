//! The stock in a SQLite file: with a read done on the spot, in microseconds, and a write that waits for the disk.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use sql_client::{DatabaseError, Sqlite};

use super::reservation::{Change, Item, MEMORY, Name, ProductId, Released, Reservation, Taken};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS stock (
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
    CREATE INDEX IF NOT EXISTS movement_by_age ON movement (state, at);";

/// What [`Stock`](super::Stock) does, in SQLite.
#[derive(Clone)]
pub struct SqliteStock(Sqlite);

impl SqliteStock {
    pub(super) async fn open(path: &Path, seed: &[Item]) -> anyhow::Result<Self> {
        let prepare = |start: &Transaction<'_>| {
            start.execute_batch(TABLES)?;
            for Item { product_id, available } in seed {
                // Every instance does this, at every start: what is already there is never touched.
                let sql = "INSERT OR IGNORE INTO stock (product_id, available) VALUES (?1, ?2)";
                start.execute(sql, (&product_id.0, available))?;
            }
            Ok(())
        };
        let verify = |reader: &Connection| {
            reader.query_row("SELECT count(product_id), max(available) FROM stock", [], |_| Ok(()))?;
            let sql = "SELECT id, product_id, quantity, state, at FROM movement LIMIT 1";
            reader.query_row(sql, [], |_| Ok(())).optional().map(drop)
        };
        Ok(SqliteStock(Sqlite::open(path, prepare, verify).await?))
    }

    pub(super) async fn find(&self, product: &ProductId) -> Result<Option<u32>, DatabaseError> {
        self.0.read(|reader| {
            let mut query = reader.prepare_cached("SELECT available FROM stock WHERE product_id = ?1")?;
            query.query_one([&product.0], |row| row.get(0)).optional()
        })
    }

    /// A thousand products take less than a millisecond.
    pub(super) async fn list(&self, limit: u32) -> Result<Vec<Item>, DatabaseError> {
        self.0.read(|reader| {
            let sql = "SELECT product_id, available FROM stock ORDER BY product_id LIMIT ?1";
            let mut query = reader.prepare_cached(sql)?;
            let items = query.query_map([limit], |row| {
                Ok(Item { product_id: Name(row.get(0)?), available: row.get(1)? })
            })?;
            items.collect()
        })
    }

    pub(super) async fn set(&self, item: Item) -> Result<Change, DatabaseError> {
        self.0.write(move |transaction| set(transaction, &item)).await
    }

    pub(super) async fn reserve(&self, wanted: Reservation, now: i64) -> Result<Taken, DatabaseError> {
        self.0.write(move |transaction| reserve(transaction, &wanted, now)).await
    }

    pub(super) async fn release(
        &self,
        id: Name,
        product: ProductId,
        now: i64,
    ) -> Result<Released, DatabaseError> {
        self.0.write(move |transaction| release(transaction, &id, &product, now)).await
    }

    pub(super) async fn restock(&self, units: Reservation, now: i64) -> Result<bool, DatabaseError> {
        let restock = move |transaction: &Transaction<'_>| {
            let first = remember(transaction, &units, "returned", now)?;
            if first {
                add(transaction, &units.product_id, units.quantity)?;
            }
            Ok(first)
        };
        self.0.write(restock).await
    }

    pub(super) async fn confirm(&self, ids: Vec<Name>, now: i64) -> Result<(), DatabaseError> {
        let confirm = move |transaction: &Transaction<'_>| {
            for id in &ids {
                let sql = "UPDATE movement SET state = 'confirmed', at = ?2 WHERE id = ?1 AND state = 'held'";
                transaction.prepare_cached(sql)?.execute((&id.0, now))?;
            }
            let sql = "DELETE FROM movement WHERE state <> 'held' AND at < ?1";
            transaction.prepare_cached(sql)?.execute([now - MEMORY])?;
            Ok(())
        };
        self.0.write(confirm).await
    }

    pub(super) async fn held(&self, since: i64, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        self.0.read(|reader| {
            let sql = "SELECT id, product_id, quantity FROM movement
                       WHERE state = 'held' AND at < ?1 ORDER BY at LIMIT ?2";
            let mut query = reader.prepare_cached(sql)?;
            let held = query.query_map((since, limit), |row| {
                Ok(Reservation {
                    reservation_id: Name(row.get(0)?),
                    product_id: Name(row.get(1)?),
                    quantity: row.get(2)?,
                })
            })?;
            held.collect()
        })
    }
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
    // Not taken yet, perhaps never: a request that is still on its way must then take nothing.
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

#[cfg(test)]
mod tests;
