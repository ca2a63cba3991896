//! The store from outside: one program of tests, so that it is linked once. How work grows with size is measured by a
//! program of its own, `scaling`.

mod client;
#[path = "../../../../../tests/src/engines.rs"]
mod engines;
mod servers;
#[path = "../../../../../tests/src/small_disk.rs"]
mod small_disk;

mod differential;
mod disk;
mod kill;
mod wire;
