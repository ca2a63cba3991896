//! A client for Redis: pooled connections, pipelines and optimistic transactions.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use redis_client::{Client, Pipeline, Text as _};
//!
//! # async fn example() -> Result<(), redis_client::Failure> {
//! let url = "redis://127.0.0.1:6379".parse().expect("a URL");
//! let redis = Client::new(url, 8, Duration::from_secs(1));
//!
//! // One command.
//! redis.query("SET", ["greeting", "hello"]).await?;
//!
//! // Several commands in one write; any error among the replies is the outcome.
//! let mut pipeline = Pipeline::new("GET");
//! pipeline.add(["GET", "greeting"]).add(["STRLEN", "greeting"]);
//! let replies = redis.run(&pipeline).await?;
//! assert_eq!(replies[0].text(), Some("hello"));
//!
//! // All of it or nothing, and nothing if somebody else changed the key meanwhile.
//! let mut connection = redis.connection().await?;
//! let mut look = Pipeline::new("WATCH");
//! look.add(["GET", "greeting"]);
//! if connection.watch(&["greeting"], &look).await?[0].text() == Some("hello") {
//!     let mut change = Pipeline::new("EXEC");
//!     change.add(["SET", "greeting", "good bye"]);
//!     let replies = connection.commit(&change).await?;
//!     println!("{}", if replies.is_some() { "changed" } else { "somebody else was faster" });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Each request is a CLIENT span of [`hop::http::Exchange::current`], with the offsets of its bytes on its connection
//! and the kernel's times of them. That is why this is not one of the usual clients: they multiplex many requests on
//! one connection and own its socket. A request that belongs to no exchange is sent the same, without a span.
//!
//! A [`Failure`] says whose fault it is, and whether the request is certain to have had no effect.
//!
//! | module | answers |
//! |---|---|
//! | `client` | which connection takes a request, and how does one begin? |
//! | `connection` | how do pipelines and transactions run, and when is a connection good for the next request? |
//! | `pipeline`, `reply`, `stream` | what do commands and replies look like? |
//! | `commands` | commands that several programs need the same way |
//! | `url` | where is Redis, and how does one log in? |
//! | [`testing`] | a Redis that follows a script, for tests of whatever uses this |

#![warn(missing_docs)]

mod client;
mod commands;
mod connection;
mod pipeline;
mod reply;
mod stream;
pub mod testing;
mod url;

pub use client::Client;
pub use connection::Connection;
pub use hop::upstream::Failure;
pub use pipeline::Pipeline;
pub use reply::{Reply, Text, unexpected};
pub use stream::{Entry, StreamId, entries};
pub use url::Url;
