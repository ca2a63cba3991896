//! A running stack: what must be there before its programs start, who runs, who is ready. Knows no spans.
//!
//! [`Stack::prepare`] and [`Prepared::start`] lead through it from the top down:
//!
//! | module | answers |
//! |---|---|
//! | `start` | what happens, in which order, from a plan to a running stack? |
//! | `foreign` | are recipes' programs installed, do external ones answer? |
//! | [`state`] | which folder is the lab's, and who holds it? |
//! | [`ports`] | are the addresses free, and if not, because of whom? |
//! | `listeners` | who listens where? |
//! | [`binaries`] | where are the hops' programs, and are they up to date? |
//! | [`certs`] | authority, certificates, the token's key |
//! | `zones`, `launches` | which files does each program read, and with what is it started? |
//! | `supervise` | who runs, who died, who is started again? |
//! | `probe` | does a program play its role, and what does it answer if not? |
//! | `suspects` | whose fault is a request that failed? |
//! | `durability` | does a foreign engine keep what it acknowledges? |
//! | `endpoints` | which pods are ready, and who must know? |
//! | `running` | the stack once it runs, and its view for others |

#![warn(missing_docs)]

pub mod binaries;
pub mod certs;
mod durability;
mod endpoints;
mod foreign;
mod launches;
mod listeners;
pub mod ports;
mod probe;
mod running;
mod start;
pub mod state;
mod supervise;
mod suspects;
mod zones;

pub use probe::Refusal;
pub use running::{Stack, View};
pub use start::Prepared;
pub use supervise::{Event, Exit, Leftover, Starting, State, Status, all_children_are_programs};
pub use suspects::{Failed, Suspect};
