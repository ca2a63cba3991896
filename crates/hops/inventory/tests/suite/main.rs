//! The inventory service from outside: one program of tests, so that it is linked once.

#[path = "../../../../../tests/src/engines.rs"]
mod engines;
#[path = "../../../../../tests/src/small_disk.rs"]
mod small_disk;

mod databases;
mod disk;
mod http;
