//! The event log from outside: one program of tests, so that it is linked once.

mod client;
#[path = "../../../../../tests/src/engines.rs"]
mod engines;
mod kcat;
mod process;
#[path = "../../../../../tests/src/small_disk.rs"]
mod small_disk;

mod client_programs;
mod conformance;
mod disk;
mod kill;
mod serve;

/// Where the recipes are, and the folder of what they download.
fn workspace() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}
