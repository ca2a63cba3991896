//! The cart service: the program all the other hops exist for.
//!
//! What this hop teaches: **a `201 Created` is a promise**. The handler in [`add_item`] reads from top to
//! bottom like the controller in the book: check who asks, validate, ask the inventory, write to Redis,
//! publish to Kafka, and only then answer. When the answer leaves, the item and its event are on disk. It
//! also teaches what an application spends its time on: waiting for others. Every wait has a name here,
//! also the one for a free worker or a free connection, which most programs hide.
//!
//! Read in this order:
//!
//! | module | answers |
//! |---|---|
//! | [`add_item`] | what happens when someone clicks "Add to Cart"? |
//! | [`item`] | which requests make sense, and what is said about the others? |
//! | [`auth`] | whose cart is it? |
//! | [`outbox`], [`relay`] | how is it that cart and event can't disagree, whatever dies when? |
//! | [`returns`] | how do units that were taken out of a cart come back to the stock? |
//! | [`idempotency`] | how does a request that is sent twice land once? |
//! | [`inventory`], [`redis`], [`kafka`] | how is each neighbour asked, and how does it fail? |
//! | [`wire`], [`pool`] | one exchange on a stamped connection; who may use which connection |
//! | [`workers`] | how many requests are worked on at once, and who waits? |
//! | [`cart`](mod@cart) | looking at a cart, taking an item out |
//! | [`server`], [`config`] | which path leads where; what the operator says |
//!
//! The clients for Redis and Kafka are small and our own: a stamp is exact only where the program that
//! takes it owns the socket, and the usual clients hide theirs behind a connection that many requests
//! share. (It also saves some 70 crates.)

pub mod add_item;
pub mod auth;
pub mod cart;
pub mod config;
pub mod event;
pub mod idempotency;
pub mod inventory;
pub mod item;
pub mod kafka;
pub mod outbox;
pub mod pool;
pub mod redis;
pub mod refusal;
pub mod relay;
pub mod returns;
pub mod server;
pub mod wire;
pub mod workers;

#[cfg(test)]
mod testing;
