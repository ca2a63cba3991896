//! `store` beside redis-server, with `redis-benchmark` as the client: how many pipelined commands a second, and how long
//! one of 64 clients waits for a write that is on the disk.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use lab::binaries::Binaries;
use lab::plan::Role;
use tests::figures::quartiles;
use tests::programs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::peer::Peer;
use super::rounds::ratio;

const ROUNDS: usize = 9;
/// Commands of so many keys.
const KEYS: &str = "10000";

/// What redis-benchmark does in one turn.
struct Load {
    what: &'static str,
    arguments: &'static [&'static str],
    commands: u32,
}

const FILLING: Load = Load { what: "SET", arguments: &["-t", "set", "-P", "16"], commands: 100_000 };
const PIPELINED: [Load; 3] = [
    Load { what: "GET, 16 in a pipeline", arguments: &["-t", "get", "-P", "16"], commands: 400_000 },
    Load { what: "INCR, 16 in a pipeline", arguments: &["-t", "incr", "-P", "16"], commands: 400_000 },
    Load { what: "HSET, 16 in a pipeline", arguments: &["-t", "hset", "-P", "16"], commands: 400_000 },
];
const ALWAYS: [Load; 1] =
    [Load { what: "SET, 64 clients, fsync always", arguments: &["-t", "set", "-c", "64"], commands: 10_000 }];

pub(crate) async fn run() -> anyhow::Result<String> {
    let programs = Binaries::ensure(&[Role::Store].into(), true).await?;
    let mut table = HEAD.to_owned();
    for (fsync, loads) in [("everysec", &PIPELINED[..]), ("always", &ALWAYS)] {
        let folder = tempfile::tempdir()?;
        let ours = start("store", &programs.path(Role::Store), folder.path(), fsync).await?;
        let theirs = start("redis-server", Path::new("redis-server"), folder.path(), fsync).await?;
        let pair = [ours, theirs];
        for peer in &pair {
            turn(peer, &FILLING).await?;
        }
        for load in loads {
            table += &compare(&pair, load).await?;
        }
    }
    Ok(table)
}

/// Neither rewrites its log by itself in the middle of a round.
async fn start(name: &'static str, program: &Path, folder: &Path, fsync: &str) -> anyhow::Result<Peer> {
    let (address, data) = (hop::listen::own_loopback(), folder.join(name));
    std::fs::create_dir_all(&data)?;
    let (ip, port, data) = (address.ip().to_string(), address.port().to_string(), data.display().to_string());
    let listen = address.to_string();
    let arguments: &[&str] = if name == "store" {
        &["--listen", &listen, "--data-dir", &data, "--appendfsync", fsync, "--rewrite-percentage", "0"]
    } else {
        let address = ["--bind", &ip, "--port", &port, "--dir", &data, "--save", ""];
        let log = ["--appendonly", "yes", "--appendfsync", fsync, "--auto-aof-rewrite-percentage", "0"];
        &[&address[..], &log].concat()
    };
    let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    let peer = Peer::spawn(name, (program, name), &arguments, address, folder)?;
    peer.answers(async || {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply).await.ok()?;
        (&reply == b"+PONG\r\n").then_some(())
    })
    .await?;
    Ok(peer)
}

/// The columns of [`compare`]'s rows.
const HEAD: &str = "\
| what | who | commands a second, median (quartiles) | p50 | CPU per command | memory | our rate to theirs | our p50 to theirs | our CPU to theirs |
|---|---|---|---|---|---|---|---|---|
";

/// They take turns, and a ratio is one of the same round: whatever else the machine does hits both.
async fn compare(pair: &[Peer; 2], load: &Load) -> anyhow::Result<String> {
    let [mut rates, mut waits, mut costs]: [[Vec<f64>; 2]; 3] = Default::default();
    for round in 0..ROUNDS {
        eprintln!("{}: round {} of {ROUNDS}", load.what, round + 1);
        // Neither is always the second, which finds a disk that is busy with the first one's writes.
        for at in if round % 2 == 0 { [0, 1] } else { [1, 0] } {
            let before = pair[at].cpu_micros();
            let (rate, p50) = turn(&pair[at], load).await?;
            costs[at].push((pair[at].cpu_micros() - before) / f64::from(load.commands));
            rates[at].push(rate);
            waits[at].push(p50);
        }
    }
    let mut rows = String::new();
    for (at, peer) in pair.iter().enumerate() {
        let [low, rate, high] = quartiles(rates[at].clone());
        let ([_, p50, _], [_, cost, _]) = (quartiles(waits[at].clone()), quartiles(costs[at].clone()));
        let (what, who, memory) = (load.what, peer.name, peer.resident_mebibytes());
        let [low, rate, high] = [low, rate, high].map(|rate| rate / 1e3);
        let digits = if rate < 100.0 { 1 } else { 0 };
        let _ = write!(
            rows,
            "| {what} | {who} | {rate:.digits$}k ({low:.digits$}–{high:.digits$}) | {p50:.2} ms | {cost:.2} µs | {memory:.0} MiB |"
        );
        let of = |figures: &[Vec<f64>; 2]| ratio(&figures[0], &figures[1]);
        let _ = match at {
            0 => writeln!(rows, " | | |"),
            _ => writeln!(rows, " {} | {} | {} |", of(&rates), of(&waits), of(&costs)),
        };
    }
    eprint!("{rows}");
    Ok(rows)
}

/// What redis-benchmark says: commands a second, and the median latency in milliseconds.
async fn turn(peer: &Peer, load: &Load) -> anyhow::Result<(f64, f64)> {
    let (ip, port) = (peer.address.ip().to_string(), peer.address.port().to_string());
    let commands = load.commands.to_string();
    let common = ["-h", &ip, "-p", &port, "-n", &commands, "-r", KEYS, "--csv"];
    let text = programs::output("redis-benchmark", common.iter().chain(load.arguments)).await?;
    // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
    let row: Option<Vec<f64>> = text
        .lines()
        .last()
        .and_then(|line| line.split(',').skip(1).map(|field| field.trim_matches('"').parse().ok()).collect());
    let row = row.filter(|row| row.len() == 7).with_context(|| format!("redis-benchmark says {text:?}"))?;
    ensure!(row[0] > 0.0, "{} answered nothing about {}", peer.name, load.what);
    Ok((row[0], row[3]))
}
