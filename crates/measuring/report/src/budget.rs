//! The chapter's table (§10), audited: which of its rows can be true together?
//!
//! Times differ from machine to machine; round trips do not. So they are counted ([`count`]), on the protocols as they
//! really run, and each row of the table is examined for the round-trip time that it implies ([`audit`]). Rows that imply
//! different ones contradict each other.

mod audit;
mod table;

pub use audit::{Audit, Row, Verdict, audit};
pub use measure::round_trips::{Counted, count};
pub use table::table;
