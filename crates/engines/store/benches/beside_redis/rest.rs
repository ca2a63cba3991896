//! What else one wants to know: answers while the log is rewritten, memory, and how soon it is back.

use std::fs;
use std::time::Duration;

use hop::clock;

use super::client::Client;
use super::load::{Clients, Figures, Kind, add_item, encode, pour};
use super::servers::Server;
use super::{REDIS, STORE, both};

const CARTS: usize = 100_000;
const LINES: [&str; 3] = ["PROD-123", "PROD-456", "PROD-789"];
const LOG: u64 = 100 << 20;
/// No rewrite takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Carts as the cart service leaves them: three items each; every event is told soon and its outbox dropped.
async fn fill(server: &Server, carts: std::ops::Range<usize>) {
    let some = 500;
    for first in carts.clone().step_by(some) {
        let customers = (first..(first + some).min(carts.end)).map(|cart| format!("customer-{cart}"));
        let items = customers.clone().flat_map(|name| LINES.map(|product| add_item(&name, product)));
        pour(server.address, items, 7).await;
        pour(server.address, customers.map(|name| encode(&[&["DEL", &format!("outbox:{name}")]])), 1).await;
    }
}

pub(crate) async fn while_rewriting() {
    println!("64 clients while BGREWRITEAOF runs on {CARTS} carts:");
    let mut p99s = Vec::new();
    for (who, server) in &both().await {
        fill(server, 0..CARTS).await;
        let mut clients = Clients::connect(server.address, 64).await;
        clients.run(Kind::Cart, 20).await;
        let mut figures = Figures::default();
        let begun = clock::monotonic();
        let mut client = Client::connect(server.address).expect("it listens");
        client.say("BGREWRITEAOF").expect("it starts");
        loop {
            figures.add(clients.run(Kind::Cart, 5).await);
            let info = format!("{:?}", client.say("INFO persistence").expect("it answers"));
            if info.contains("aof_rewrite_in_progress:0") || clock::since(begun) > LIMIT {
                break;
            }
        }
        let (p50, p99) = (figures.quantile(0.5), figures.quantile(0.99));
        let (time, worst) = (clock::since(begun).as_secs_f64() * 1e3, figures.quantile(0.9999));
        println!(
            "  {who:<12}  p50 {p50:>7.0} µs  p99 {p99:>7.0} µs  worst {worst:>7.0} µs  rewritten in {time:>5.0} ms"
        );
        p99s.push(p99);
    }
    println!("  ratio of p99: × {:.2}", p99s[0] / p99s[1]);
}

pub(crate) async fn memory() {
    println!("resident memory with {CARTS} carts of {} lines, all told (< 50 MiB is the aim):", LINES.len());
    for (who, server) in &both().await {
        let empty = mib(server, "VmRSS:");
        fill(server, 0..CARTS).await;
        let (now, most) = (mib(server, "VmRSS:"), mib(server, "VmHWM:"));
        println!("  {who:<12}  {now:>5.1} MiB, {most:.1} at its highest ({empty:.1} when empty)");
    }
}

fn mib(server: &Server, what: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(what)).expect("Linux says it");
    let kib: f64 = line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number");
    kib / 1024.0
}

/// A log as the store wrote it, loaded by both: the format is Redis's.
pub(crate) async fn recovery() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("appendonly.aof");
    let mut writer = STORE;
    writer[1] = "everysec";
    let server = Server::store_on(folder.path(), &writer).await;
    let mut carts = 0;
    while fs::metadata(&log).expect("its log").len() < LOG {
        fill(&server, carts..carts + 1000).await;
        carts += 1000;
    }
    server.kill();
    println!(
        "recovery of a log of {} MiB with {carts} carts, until it answers (< 1000 ms is the aim):",
        fs::metadata(&log).expect("its log").len() >> 20
    );
    let mut best = [f64::MAX; 2];
    for _ in 0..3 {
        let copies = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
        for copy in &copies {
            fs::copy(&log, copy.path().join("appendonly.aof")).expect("room");
        }
        let begun = clock::monotonic();
        let ours = Server::store_on(copies[0].path(), &STORE).await;
        best[0] = best[0].min(clock::since(begun).as_secs_f64() * 1e3);
        let begun = clock::monotonic();
        let theirs = Server::redis_on(copies[1].path(), &REDIS).await;
        best[1] = best[1].min(clock::since(begun).as_secs_f64() * 1e3);
        let sizes = [&ours, &theirs].map(|server| {
            format!("{:?}", Client::connect(server.address).expect("it listens").say("DBSIZE"))
        });
        assert_eq!(sizes[0], sizes[1], "both read the same");
    }
    println!("  store {:.0} ms, redis-server {:.0} ms: × {:.2}", best[0], best[1], best[0] / best[1]);
}
