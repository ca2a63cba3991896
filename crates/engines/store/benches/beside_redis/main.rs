//! The store beside a real redis-server: same machine, same disk, same client, in one run.
//!
//! `cargo bench -p store` runs everything; `cargo bench -p store -- speed` only one of the parts `speed`,
//! `rewrite`, `memory`, `recovery`.
//!
//! Both flush before they answer (`appendfsync always`). They take turns in short rounds, and each figure is the
//! median over the rounds of the ratio *within* a round: whatever else the machine does hits both alike.
//! Read the ratios, not the figures: those are this machine's. How much it wavered is printed, too.

#[path = "../../tests/suite/client.rs"]
mod client;
mod load;
mod rest;
#[path = "../../tests/suite/servers.rs"]
mod servers;
mod speed;

use servers::Server;

/// What both are started with. Nothing rewrites its log by itself in the middle of a round.
const STORE: [&str; 4] = ["--appendfsync", "always", "--rewrite-percentage", "0"];
const REDIS: [&str; 8] =
    ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only wants to know that it builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|name| *name == part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("speed") {
            speed::run().await;
        }
        if wanted("rewrite") {
            rest::while_rewriting().await;
        }
        if wanted("memory") {
            rest::memory().await;
        }
        if wanted("recovery") {
            rest::recovery().await;
        }
    });
}

/// One of each, with nothing in it; the store first.
async fn both() -> [(&'static str, Server); 2] {
    [("store", Server::store(&STORE).await), ("redis-server", Server::redis(&REDIS).await)]
}
