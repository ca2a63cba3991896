//! The stock: what is kept, and what may be done with it.
//!
//! Everything outside sees [`Stock`] and its few questions; which database answers them is known only to
//! the two files below this one.
//!
//! # Why a number is not enough
//!
//! "Are there 3 left?" asked by two carts at once gets two times yes. So a cart does not ask, it **takes**:
//! a reservation is the stock made smaller, in one transaction with a row that says who has it. The caller
//! chooses the row's id, so taking again under the same id (a retry, an answer that was lost) takes nothing
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

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use hop::http::Exchange;
use serde::Serialize;

use crate::config::DatabaseUrl;

pub mod postgres;
pub mod sqlite;

use postgres::Postgres;
use sqlite::Sqlite;

/// How long a finished reservation is remembered, in milliseconds: a week. An idempotency key lives a day.
pub const MEMORY: i64 = 7 * 24 * 60 * 60 * 1000;

/// A name that callers choose, of a product or of a reservation: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(String);

/// The name of a product.
pub type ProductId = Name;

impl Name {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(known) {
            Ok(Name(text.to_owned()))
        } else {
            Err("expected 1 to 64 letters, digits, '-', '_' or '.', such as PROD-123")
        }
    }
}

impl fmt::Display for Name {
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

/// So many of a product, taken from the stock or given back to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The caller's name for it; a second one of that name takes nothing.
    pub reservation_id: Name,
    /// Of what.
    pub product_id: ProductId,
    /// How many.
    pub quantity: u32,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The product was unknown before.
    Created,
    /// It had another number, or the same.
    Replaced,
}

/// What taking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The stock is smaller by it.
    Now,
    /// It had been taken under this id before; nothing changed.
    Before,
    /// It was given back under this id: this id takes nothing any more.
    Ended,
    /// This id was used for something else.
    Other,
    /// There are fewer: so many.
    TooFew(u32),
    /// Nobody ever said how many of this product there are.
    Unknown,
}

/// What giving back a reservation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is back, or was before, or can't be taken any more under this id.
    Done,
    /// It is confirmed: it is in a cart, and only a return brings it back.
    Confirmed,
}

/// What the database said.
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why the database did not answer. None of it is the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum StockError {
    /// Nothing was written: there is no room.
    #[error("the disk that holds the stock is full")]
    Full(#[source] Cause),
    /// It may work again soon: locked by someone else, unreachable, or the disk failed.
    #[error("the database can't be used now")]
    Unavailable(#[source] Cause),
    /// It will not work again by itself: damaged, or not ours.
    #[error("the database is broken")]
    Broken(#[source] Cause),
    /// The process ends before the write began.
    #[error("the service is stopping")]
    Stopping(#[source] Cause),
}

/// How many there are of what. Cheap to clone.
#[derive(Clone)]
pub enum Stock {
    /// In a file, which other instances may share.
    Sqlite(Sqlite),
    /// In a server, which other instances may share.
    Postgres(Postgres),
}

/// Hands a question to whichever database there is.
macro_rules! ask {
    ($stock:expr, $engine:ident => $question:expr) => {
        match $stock {
            Stock::Sqlite($engine) => $question.await,
            Stock::Postgres($engine) => $question.await,
        }
    };
}

impl Stock {
    /// Opens the database, creates what is missing, and adds the seed's products that it does not know.
    ///
    /// # Errors
    /// It can't be opened, is not ours or stays locked. The text names it and what to do.
    pub async fn open(database: &DatabaseUrl, seed: &[Item]) -> anyhow::Result<Self> {
        match database {
            DatabaseUrl::Postgres(config) => Ok(Stock::Postgres(Postgres::open(config, seed).await?)),
            DatabaseUrl::Sqlite(path) => Ok(Stock::Sqlite(Sqlite::open(path, seed).await?)),
        }
    }

    /// The same stock for one request, which learns what the time of a write went into (its spans `queue`,
    /// `execute` and `fsync`). A database server keeps that to itself.
    pub fn serving(&self, exchange: &Exchange) -> Self {
        match self {
            Stock::Sqlite(engine) => Stock::Sqlite(engine.serving(exchange)),
            Stock::Postgres(_) => self.clone(),
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
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn find(&self, product: &ProductId) -> Result<Option<u32>, StockError> {
        ask!(self, engine => engine.find(product))
    }

    /// The first products by name, at most `limit`.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn list(&self, limit: u32) -> Result<Vec<Item>, StockError> {
        ask!(self, engine => engine.list(limit))
    }

    /// Sets how many can be bought from now on; what is reserved is not among them. Returns when that is
    /// on disk, as all writes below do.
    ///
    /// # Errors
    /// See [`StockError`]; the stock is then unchanged.
    pub async fn set(&self, item: Item) -> Result<Change, StockError> {
        ask!(self, engine => engine.set(item))
    }

    /// Takes from the stock, once for each id; `now` is in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// See [`StockError`]; nothing is then taken, unless the database was lost in the very act.
    pub async fn reserve(&self, wanted: Reservation, now: i64) -> Result<Taken, StockError> {
        ask!(self, engine => engine.reserve(wanted, now))
    }

    /// Gives a held reservation back. Also one that nobody has taken yet: its id then takes nothing.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn release(&self, id: Name, product: ProductId, now: i64) -> Result<Released, StockError> {
        ask!(self, engine => engine.release(id, product, now))
    }

    /// Puts units back that had been confirmed, once for each id; says whether this was the first time.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn give_back(&self, units: Reservation, now: i64) -> Result<bool, StockError> {
        ask!(self, engine => engine.give_back(units, now))
    }

    /// These are in carts: they are not held any more. Forgets what ended more than [`MEMORY`] ago.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn confirm(&self, ids: Vec<Name>, now: i64) -> Result<(), StockError> {
        ask!(self, engine => engine.confirm(ids, now))
    }

    /// What has been held since before `since`, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// See [`StockError`].
    pub async fn held(&self, since: i64, limit: u32) -> Result<Vec<Reservation>, StockError> {
        ask!(self, engine => engine.held(since, limit))
    }
}
