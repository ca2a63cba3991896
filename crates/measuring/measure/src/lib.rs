//! How long does each hop take, over many journeys? Spans in, journeys and statistics out; prints nothing.
//!
//! It knows no plan and no supervision: what runs, and where, stands in its [`Target`].
//!
//! | module | answers |
//! |---|---|
//! | [`target`] | what is measured? |
//! | [`collect`] | which spans came in, and which journeys are complete? |
//! | [`forward`] | the same spans for a collector of the user's own |
//! | [`traced`], [`BrowserThread`] | one request, its response and its journey; a browser that nothing else delays |
//! | [`run()`], [`Options`] | many of them, cold, warm or at a rate |
//! | `assemble`, `rate` | how are they put together? how is a rate kept? |
//! | [`Measured`], [`Series`], [`open_loop`], [`overhead`] | what came of it |
//! | [`flush_resolver`] | how does a resolver forget? |
//! | [`machine`], [`usage`] | what does the machine do to the figures? what do programs take of it? |
//! | [`packets`] | what do the packets on loopback say of the same journeys? |
//! | [`round_trips`] | how many round trips does each step take? |
//! | [`diff`] | which of two measurements is faster, and can that be said? |

#![warn(missing_docs)]

mod assemble;
mod browser_thread;
pub mod collect;
pub mod diff;
mod entry;
mod flush;
pub mod forward;
mod job;
pub mod machine;
mod measured;
pub mod open_loop;
mod options;
pub mod overhead;
pub mod packets;
mod rate;
pub mod round_trips;
mod run;
mod series;
pub mod target;
pub mod traced;
pub mod usage;

/// The browser that sends the requests; nobody else links it.
pub use browser;
pub use browser_thread::BrowserThread;
pub use collect::{Collector, Outside, Recorders};
pub use entry::Entry;
pub use flush::flush_resolver;
pub use measured::{Measured, SCHEMA};
pub use options::{KEEP, Options};
pub use run::run;
pub use series::Series;
pub use target::{Flush, Target, TargetHop};
pub use traced::TracedResponse;
