//! SQL databases that keep what they acknowledge: a SQLite file, or a PostgreSQL server.
//!
//! Whoever uses it writes SQL with `rusqlite` or `tokio-postgres`, as their books say. What is here is the part that
//! those leave to their users: the settings under which a commit survives a power cut, errors that say whether trying
//! again can help, and how many requests share one database. It knows no tables.
//!
//! ```no_run
//! use sql_client::Sqlite;
//!
//! # async fn example() -> anyhow::Result<()> {
//! let tables = "CREATE TABLE IF NOT EXISTS visit (page TEXT PRIMARY KEY, count INTEGER NOT NULL) STRICT";
//! let database = Sqlite::open("visits.db".as_ref(), |start| start.execute_batch(tables), |_| Ok(())).await?;
//! let sql = "INSERT INTO visit VALUES (?1, 1) ON CONFLICT DO UPDATE SET count = count + 1";
//! // Returns when that is on the disk, together with whatever else was written at that moment.
//! database.write(move |transaction| transaction.execute(sql, ["/"])).await?;
//! let count: u32 = database.read(|reader| reader.query_row("SELECT count FROM visit", [], |row| row.get(0)))?;
//! # Ok(())
//! # }
//! ```
//!
//! | module | answers |
//! |---|---|
//! | [`sqlite`] | reads on the spot, writes in groups that share one wait for the disk |
//! | [`postgres`] | connections to a server: how many, for how long, with which settings |
//! | `error` | is it worth trying again? |
//! | `url` | which database, as people write it |

#![warn(missing_docs)]

mod error;
pub mod postgres;
pub mod sqlite;
mod url;

pub use error::DatabaseError;
pub use postgres::Postgres;
pub use sqlite::Sqlite;
pub use url::DatabaseUrl;
