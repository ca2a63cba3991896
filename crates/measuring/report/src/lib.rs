//! How is a measurement shown? Tables for people, and the forms that other programs open: functions from data to text.
//! Whoever calls them prints.
//!
//! | module | answers |
//! |---|---|
//! | [`table()`], [`journey()`], [`headline`] | where did the time go? (of many journeys, of one, in one line) |
//! | [`diff`] | what became faster, what slower? |
//! | [`packets`] | what do the packets say, beside what the programs say? |
//! | [`budget`] | which rows of the chapter's table can be true together? |
//! | [`export`] | HAR, Perfetto, a page |
//! | [`junit`] | the verdicts of a budget, for a CI system |
//! | [`layout`] | how do text and tables fit a terminal? |
//! | [`utc`], [`time()`], [`or_dash`], [`counts()`] | dates, times and counts as they are written everywhere |

#![warn(missing_docs)]

pub mod budget;
pub mod diff;
pub mod export;
mod format;
pub mod junit;
pub mod layout;
pub mod packets;
mod style;
mod table;
pub mod utc;

#[cfg(test)]
mod sample;

pub use format::{counts, or_dash, time};
pub use style::Style;
pub use table::{headline, journey, table};
