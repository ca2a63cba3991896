//! DNS on the wire, the same for name servers, resolvers and clients (RFC 1035 §4).
//!
//! | module | answers |
//! |---|---|
//! | `message` | what is a query, how does a response to it begin, and what if it does not fit? |
//! | `extended` | why is a response what it is, in a number and in words? |
//! | `wire_name` | how are names compared and looked up without decoding them? |
//! | `plain` | what does a query ask, if it looks like nearly all? |
//! | `response` | how is a response written from records whose bytes are known? |
//! | `client` | how is one query sent over UDP, and which response is its own? |
//! | `framing` | where does a message begin and end in a stream of bytes? |
//! | `span` | what is reported of a message? |
//! | `stream` | how is one connection over TCP served? |
//!
//! hickory-proto knows the records and their bytes; here is what programs agree on beyond them.

#![warn(missing_docs)]

mod client;
mod exchange;
mod extended;
mod framing;
mod message;
mod plain;
mod response;
mod stream;
mod wire_name;

pub use client::QuerySocket;
pub use exchange::{
    Description, Details, Exchange, Question, Resolved, SpanContext, datagram_marks, describe,
};
pub use extended::ExtendedError;
pub use framing::{Frames, framed, read_response, write_query};
pub use message::{
    LARGEST_DATAGRAM, Received, datagram_limit, name_of, query, read, reply_to, response_to, write,
};
pub use plain::{PlainQuery, plain};
pub use response::{Owner, ResponseWriter, Section};
pub use stream::{Connections, IDLE, OUTSTANDING, Reply, serve};
pub use wire_name::{LONGEST_NAME, WireName, ancestors, data_to_wire, is_within, parent, to_wire};
