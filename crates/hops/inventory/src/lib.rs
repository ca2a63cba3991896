//! The inventory service: how many of a product are there, and who may have them?
//!
//! What this hop teaches: **a service is an owner of data with a protocol in front.** The cart never
//! opens this database; it sends a request over HTTP, through a Service of its own, and gets units or a
//! problem. What that costs compared with a function call, two more hops each way, is what the
//! lab's report shows; what it buys is that the table behind it can move from SQLite to anything
//! else without the cart noticing.
//!
//! Read these three first:
//!
//! | file | time | what is to be seen there |
//! |---|---|---|
//! | [`stock.rs`](stock) | 4 min | how not to sell a thing twice: reservations with names, which make a retry harmless |
//! | `stock/sqlite.rs` | 6 min | the same as SQL, each operation one transaction |
//! | `sql-client/src/sqlite/group_commit.rs` | 5 min | where the time goes: a write waits for the disk, and who waits at the same moment shares that |
//!
//! Then `handlers.rs`, where a request becomes an operation; `body.rs` and `problem.rs`, where it is refused;
//! [`server`] and [`config`], as in every hop. `stock/postgres.rs` is `stock/sqlite.rs` for a server.
//!
//! In Kubernetes this is a Deployment of two pods behind the Service `inventory-service`. The two
//! share one database: a SQLite file, or a PostgreSQL when `DATABASE_URL` names one.

mod body;
pub mod config;
mod handlers;
mod problem;
pub mod server;
pub mod stock;
