//! The stock: what is kept, and what may be done with it.
//!
//! Everything outside sees [`Stock`] and its few operations; which database executes them is known only to
//! the two files below this one.
//!
//! # Why a number is not enough
//!
//! "Are there 3 left?" from two carts at once gets two times yes. So a cart does not query a number, it **takes**:
//! a reservation is the stock made smaller, in one transaction with a row that says who has it. The caller
//! chooses the row's id, so taking again under the same id (a retry, a response that was lost) takes nothing
//! more. A row has one of four states:
//!
//! | state | means | becomes |
//! |---|---|---|
//! | `held` | taken, and it is not known yet whether the cart kept it | `confirmed`, or `released` |
//! | `confirmed` | it is in a cart | stays |
//! | `released` | it was given back: whoever still comes with this id gets nothing | stays |
//! | `returned` | a cart gave units back that had been confirmed | stays |
//!
//! What is held is never released by a clock: that would sell a thing twice whenever a cart is slow to say
//! that it kept it. Instead everyone can see what has been held for long ([`Stock::held`]), and the cart
//! service, which alone knows, confirms or releases it. Rows that are not held are kept for
//! [`MEMORY`], longer than anyone retries.

mod postgres;
mod reservation;
mod sqlite;

use sql_client::{DatabaseError, DatabaseUrl};

use postgres::PostgresStock;
use sqlite::SqliteStock;

pub use reservation::{Change, Item, MEMORY, Name, ProductId, Released, Reservation, Taken};

/// How many there are of what. Cheap to clone.
#[derive(Clone)]
pub enum Stock {
    /// In a file, which other instances may share.
    Sqlite(SqliteStock),
    /// In a server, which other instances may share.
    Postgres(PostgresStock),
}

/// Has whichever database there is do it.
macro_rules! with {
    ($stock:expr, $database:ident => $operation:expr) => {
        match $stock {
            Stock::Sqlite($database) => $operation.await,
            Stock::Postgres($database) => $operation.await,
        }
    };
}

/// Each operation returns a [`DatabaseError`] when the database fails; a write then changed nothing, unless the
/// connection to a server was lost in the very act. A write returns when it is on the disk.
impl Stock {
    /// Opens the database, creates what is missing, and adds the seed's products that it does not know.
    ///
    /// # Errors
    /// It can't be opened, is not ours or stays locked. The text names it and what to do.
    pub async fn open(database: &DatabaseUrl, seed: &[Item]) -> anyhow::Result<Self> {
        match database {
            DatabaseUrl::Postgres(config) => Ok(Stock::Postgres(PostgresStock::open(config, seed).await?)),
            DatabaseUrl::Sqlite(path) => Ok(Stock::Sqlite(SqliteStock::open(path, seed).await?)),
        }
    }

    /// What it is, in OpenTelemetry's words (`db.system.name`).
    pub fn system(&self) -> &'static str {
        match self {
            Stock::Sqlite(_) => "sqlite",
            Stock::Postgres(_) => "postgresql",
        }
    }

    /// How many there are of a product, or `None` if nobody ever said.
    pub async fn find(&self, product: &ProductId) -> Result<Option<u32>, DatabaseError> {
        with!(self, database => database.find(product))
    }

    /// The first products by name, at most `limit`.
    pub async fn list(&self, limit: u32) -> Result<Vec<Item>, DatabaseError> {
        with!(self, database => database.list(limit))
    }

    /// Sets how many can be bought from now on; what is reserved is not among them.
    pub async fn set(&self, item: Item) -> Result<Change, DatabaseError> {
        with!(self, database => database.set(item))
    }

    /// Takes from the stock, once for each id; `now` is in milliseconds since the Unix epoch, here and below.
    pub async fn reserve(&self, wanted: Reservation, now: i64) -> Result<Taken, DatabaseError> {
        with!(self, database => database.reserve(wanted, now))
    }

    /// Gives a held reservation back. Also one that nobody has taken yet: its id then takes nothing.
    pub async fn release(&self, id: Name, product: ProductId, now: i64) -> Result<Released, DatabaseError> {
        with!(self, database => database.release(id, product, now))
    }

    /// Puts units back that had been confirmed, once for each id; says whether this was the first time.
    pub async fn restock(&self, units: Reservation, now: i64) -> Result<bool, DatabaseError> {
        with!(self, database => database.restock(units, now))
    }

    /// These are in carts: they are not held any more. Forgets what ended more than [`MEMORY`] ago.
    pub async fn confirm(&self, ids: Vec<Name>, now: i64) -> Result<(), DatabaseError> {
        with!(self, database => database.confirm(ids, now))
    }

    /// What has been held since before `since`, the oldest first, at most `limit`.
    pub async fn held(&self, since: i64, limit: u32) -> Result<Vec<Reservation>, DatabaseError> {
        with!(self, database => database.held(since, limit))
    }
}
