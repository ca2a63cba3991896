//! Hop 0, the user's browser: everything that happens before a request is under way, and the first stamp of every
//! journey.
//!
//! What this hop teaches: **a request is the last thing that happens.** Before it, a name is resolved (a stub
//! resolver queries a caching one), a TCP connection is made (a round trip), TLS shakes hands (another, with TLS 1.3),
//! HTTP/2 says hello. The second request finds all of that done: names are cached for their TTL, connections are kept,
//! TLS sessions can be resumed. Every step is a span, so that time between the browser's own spans is nobody's:
//! *unaccounted*.
//!
//! Read first, in 15 minutes:
//!
//! 1. `stub.rs` (5 minutes): what does a resolver's response mean, and when is it believed?
//! 2. `connect.rs` (4 minutes): TCP, TLS, HTTP/2, one after the other.
//! 3. `browser.rs` (6 minutes): which of these steps does this request need, and when is it sent again?
//!
//! It is the only hop that others link: whoever sends the request takes its first stamp, so the lab drives this library.
//!
//! | module | answers |
//! |---|---|
//! | `stub` | which address has the name? |
//! | `connect`, `tls` | how does a connection come to be, and whom does it trust? |
//! | `exchange`, `body` | one request and its response, and when its last byte left |
//! | `browser` | what of that is there already? |
//! | `thread` | a browser that nothing else in the program delays |
//! | `recorder` | the spans of a journey that is under way |
//! | `key_log` | the sessions' keys, for Wireshark |
//! | `config`, `request` | what it is told, what it sends and gets |

#![warn(missing_docs)]

mod body;
mod browser;
mod config;
mod connect;
mod exchange;
mod key_log;
mod recorder;
mod request;
mod stub;
mod thread;
mod tls;

pub use browser::Browser;
pub use config::Config;
pub use recorder::BROWSER;
pub use request::{Request, Response};
pub use thread::BrowserThread;
pub use tls::Tls;
