//! The inventory service from outside: one program of tests, so that it is linked once.

#[path = "../../../../../tests/src/engines.rs"]
mod engines;

mod databases;
mod disk;
mod http;
