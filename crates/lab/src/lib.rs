//! The orchestrator: starts every hop as its own process, measures the request's real way through
//! them, and stops them again. Binary and library; the library is what integration tests use.
//!
//! | module | answers |
//! |---|---|
//! | [`cli`] | what does the user want? (`lab`, `measure`, `status`, …) |
//! | [`plan`] | what does lab.toml say, and is it right? |
//! | [`options`], [`running`] | a running lab: everything started, ready, and stopped in order |
//! | [`supervise`] | who runs, who died, who is started again? |
//! | [`binaries`], `prepare`, [`certs`], [`state`] | what must be there before a program starts? |
//! | `endpoints` | which pods are ready, and who must know? |
//! | [`control`] | how do other commands reach a running lab? |
//! | [`target`], [`probe`] | what is measured, and the browser that asks |
//! | [`collect`], [`measure`], [`report`] | spans in, journeys, tables out |
//! | [`diff`] | which of two measurements is faster, and can that be said? |
//! | [`machine`] | what does the machine itself do to the figures? |
//! | [`ask`], [`workspace`] | small questions over HTTP; where this program lives |

pub mod ask;
pub mod binaries;
pub mod certs;
pub mod cli;
pub mod collect;
mod command;
pub mod control;
pub mod diff;
mod endpoints;
pub mod machine;
pub mod measure;
pub mod options;
pub mod plan;
mod prepare;
mod print;
pub mod probe;
pub mod report;
pub mod running;
pub mod state;
pub mod supervise;
pub mod target;
pub mod workspace;

pub use options::Options;
pub use running::Lab;
