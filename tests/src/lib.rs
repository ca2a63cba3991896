//! What the integration suites share: labs of their own, real programs, and a slow wire.
//!
//! | module | answers |
//! |---|---|
//! | [`edge`] | how does it get the two proxies alone, before an upstream of its own? |
//! | [`engines`] | how does it get a real Redis, PostgreSQL or Kafka, and end it? |
//! | [`figures`] | how does a benchmark write its tables into docs/figures.md? |
//! | [`fixture`] | how does a test get a lab that disturbs nobody else's? |
//! | [`flood`] | how does it send more than anybody asked for? |
//! | [`load`] | how does it send many requests of which the lab knows nothing? |
//! | [`program`] | how does it start the `lab` program as a user does? |
//! | [`readers`] | who else reads what the lab exports? |
//! | [`programs`] | how does it run curl, dig, kcat and friends? |
//! | [`small_disk`] | how does it get a disk that is soon full? |
//! | [`standalone`] | how does it get a lab in a process of its own? |
//! | [`usage`] | what has a process used of processor and memory? |
//! | [`slow_link`] | how does it make one wire slow, and no program? |

pub mod edge;
pub mod engines;
pub mod figures;
pub mod fixture;
pub mod flood;
pub mod load;
pub mod program;
pub mod programs;
pub mod readers;
pub mod small_disk;
pub mod standalone;
pub mod usage;

pub use lab::slow_link;
