//! The orchestrator: starts every hop as its own process, measures the request's real way through
//! them, and stops them again. Binary and library; the library is what integration tests use.
//!
//! | module | answers |
//! |---|---|
//! | [`cli`] | what does the user want? (`lab`, `measure`, `status`, …) |
//! | [`plan`] (a crate of its own) | what does lab.toml say, and is it right? which real programs fit which slot? |
//! | [`options`], [`running`] | a running lab: everything started, ready, and stopped in order |
//! | [`stack`] (a crate of its own) | what must be there before programs start, who runs, who is ready? |
//! | [`control`] | how do other commands reach a running lab? |
//! | [`target`], [`browser`] | what is measured, and the browser that sends the requests |
//! | [`test_api`], [`test_slot`], [`measure::Series`] | how does a test send requests, and where does its lab run? |
//! | [`slow_link`] | how does a test make one wire slow, and no program? |
//! | [`collect`], [`measure`], [`report`] | spans in, journeys, tables out |
//! | [`diff`] | which of two measurements is faster, and can that be said? |
//! | [`machine`] | what does the machine itself do to the figures? |
//! | [`budget`] | which rows of the chapter's table can be true together? |
//! | [`packets`] | what the packets on loopback say of the same journeys |
//! | [`forward`] | the same spans for a collector of the user's own |
//! | [`export`] | the same for other programs: HAR, Perfetto, a page |
//! | [`events`] | what did the shop tell the others? (reads Kafka) |

#![warn(missing_docs)]

mod arguments;
pub mod cli;
mod command;
pub mod control;
pub mod events;
mod measurable;
pub mod options;
mod outcome;
mod print;
pub mod running;
pub mod slow_link;
pub mod supervise;
pub mod test_api;
pub mod test_slot;
mod viewer;

pub use journey;
pub use measure::{self, TracedResponse, browser, collect, diff, forward, machine, packets, target};
pub use options::Options;
pub use plan::{self, programs, recipe, workspace};
pub use report::{self, budget, export};
pub use running::Lab;
pub use slow_link::SlowLink;
pub use stack::{binaries, certs, state};
pub use test_slot::TestSlot;
