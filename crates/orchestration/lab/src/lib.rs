//! What does the user want? The command line, the control server of a running lab, and the library for tests.
//!
//! | module | answers |
//! |---|---|
//! | [`cli`], `arguments`, `command` | what can be typed, and what does each command do? |
//! | [`running`], [`options`] | a running lab: a stack, and what measures it |
//! | `private` | how does this process get a network of its own? |
//! | `measurable` | what of a stack is measured? |
//! | [`control`], `viewer` | how do other commands reach a running lab? |
//! | [`test_api`], [`test_slot`] | how does a test send requests, and where does its lab run? |
//! | [`slow_link`] | how does a test make one wire slow, and no program? |
//! | [`events`] | what did the shop tell the others? (reads Kafka) |
//! | `print`, `hint`, `help`, `outcome` | the one place that prints; what hints are typed like; how help is laid out; how a command ends |
//!
//! Everything else has a crate of its own and can be reached from here: [`plan`], [`stack`], [`measure`], [`report`].

#![warn(missing_docs)]

mod arguments;
pub mod cli;
mod command;
pub mod control;
pub mod events;
mod fault;
mod help;
mod hint;
mod measurable;
pub mod options;
mod outcome;
mod print;
mod private;
pub mod running;
pub mod slow_link;
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
pub use stack::{self, binaries, certs, state};
pub use test_slot::TestSlot;

/// Who runs, who died, who is started again?
pub mod supervise {
    pub use stack::{Event, Exit, State, Status};
}
