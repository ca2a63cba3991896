//! The cart service: the program all the other hops exist for.
//!
//! What this hop teaches: **a `201 Created` is a promise**. The handler in [`add_item`] reads from top to bottom like the
//! controller in the book: validate, check the inventory, write to Redis, publish to Kafka, and only then respond. When
//! the response leaves, the item and its event are on disk. It also teaches what an application spends its time on:
//! waiting for others. Every wait has a name here, also the one for a free worker or a free connection, which most
//! programs hide.
//!
//! Read first:
//!
//! | file | time | answers |
//! |---|---|---|
//! | [`add_item`] | 5 min | what happens when someone clicks "Add to Cart"? |
//! | [`carts`] | 5 min | how do a cart and what others are told of it change together? |
//! | `reliability/src/lib.rs` | 5 min | why outbox, relay, idempotency keys, reservations and returns: what happens without each? |
//!
//! Then, in the order in which a request meets them:
//!
//! | module | answers |
//! |---|---|
//! | [`server`], [`routes`] | how do connections come in, and which path leads where? |
//! | [`auth`] | whose cart is it? |
//! | [`item`] | which requests make sense, and what is said about the others? |
//! | [`inventory`] | how are units reserved over HTTP, and how does that fail? |
//! | [`event`] | what are others told? |
//! | [`cart`](mod@cart) | looking at a cart, taking an item out |
//! | [`shop`], [`config`] | what every request needs; what the operator says |
//!
//! What is no cart's has crates of its own: `reliability`, the clients `redis-client` and `kafka-client`, tokens
//! (`bearer`), workers and their queue (`hop::http::workers`).

pub mod add_item;
pub mod auth;
pub mod cart;
pub mod carts;
pub mod config;
pub mod event;
pub mod inventory;
pub mod item;
pub mod routes;
pub mod server;
pub mod shop;
