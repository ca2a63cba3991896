//! The inventory service: how many of a product are there, and who may have them?
//!
//! What this hop teaches: **a service is an owner of data with a protocol in front.** The cart never
//! opens this database; it asks over HTTP, through a Service of its own, and gets units or a
//! problem. What that costs compared with a function call, two more hops each way, is what the
//! lab's report shows; what it buys is that the table behind it can move from SQLite to anything
//! else without the cart noticing.
//!
//! It also teaches **how not to sell a thing twice**: by reservations with names, see [`stock`].
//!
//! The other thing to see here is where time may be spent on one thread: with SQLite, a read takes
//! microseconds and is done on the spot, a write waits for the disk and is done elsewhere.
//!
//! In Kubernetes this is a Deployment of two pods behind the Service `inventory-service`. The two
//! share one database: a SQLite file, or a PostgreSQL when `DATABASE_URL` names one.
//!
//! | module | answers |
//! |---|---|
//! | [`stock`] | what is kept, and how is it that nothing is sold twice? |
//! | [`stock::sqlite`], [`stock::postgres`] | where is it kept, and when is it safe on disk? |
//! | [`server`] (and `body`) | how does a request become a query and an answer? |
//! | [`config`] | flags and environment |

mod body;
pub mod config;
pub mod server;
pub mod stock;
