//! The store from outside: one program of tests, so that it is linked once. How work grows with size is measured by a
//! program of its own, `scaling`.

mod client;
#[path = "../../../../../tests/src/engines.rs"]
mod engines;
mod servers;

mod differential;
mod disk;
mod kill;
mod wire;
