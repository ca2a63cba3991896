//! What h2load sends, and what became of it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hop::{clock, wait};
use tests::programs;
use tokio::process::Command;

use super::chain::{Chain, HOST};

/// The body of every request, and a token that is as long as one: a `POST` as the shop gets it.
const BODY: &str = r#"{"productId":"p-1","quantity":1}"#;
const TOKEN_BYTES: usize = 280;
/// How long one turn is looked at.
const TURN: Duration = Duration::from_millis(1_400);
/// Until connections are made and everything is warm; more with each connection, whose handshake is not what is measured.
const WARM: Duration = Duration::from_millis(500);
const WARM_PER_CONNECTION: Duration = Duration::from_millis(3);

/// How many requests are on their way at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// On each connection.
    pub(crate) streams: usize,
}

/// What was seen of a chain under load.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    /// Microseconds from a request's first byte to its response's last.
    pub(crate) median: f64,
    /// Microseconds of processor time per request of each program of the chain.
    pub(crate) cpu: [f64; 3],
    /// Mebibytes of each.
    pub(crate) memory: [f64; 3],
    /// The version and the cipher of TLS.
    pub(crate) tls: String,
}

impl Outcome {
    pub(crate) fn sum(&self) -> f64 {
        self.cpu.iter().sum()
    }
}

/// A closed loop over HTTP/2: each stream sends its next request when it has its response. Requests count that end within
/// the time in which the processor time is looked at, so that the handshakes before it do not.
pub(crate) async fn load(chain: &Chain, load: Load, folder: &Path) -> anyhow::Result<Outcome> {
    let (body, log) = (folder.join("body.json"), folder.join("requests.log"));
    std::fs::write(&body, BODY)?;
    let _none = std::fs::remove_file(&log);
    let warm = WARM + WARM_PER_CONNECTION * load.connections as u32;
    // h2load takes whole seconds.
    let seconds = (warm + TURN).as_secs_f64().ceil();
    let client = command(chain.address(), load, &body)
        .arg("--log-file")
        .arg(&log)
        .args(["-D", &format!("{seconds}")])
        .spawn()
        .context("run h2load\n  what to do: apt-get install nghttp2-client")?;
    wait::deadline(warm).await;
    let (begun, before) = (clock::now() / 1_000, chain.cpu_micros());
    wait::deadline(TURN).await;
    let (ended, after) = (clock::now() / 1_000, chain.cpu_micros());
    let memory = chain.memory();
    let said = client.wait_with_output().await?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let mut times = times(&std::fs::read_to_string(&log)?, begun..ended)?;
    ensure!(!times.is_empty(), "{} answered nothing:\n{said}", chain.name);
    times.sort_unstable();
    let count = times.len() as f64;
    let cpu = std::array::from_fn(|at| (after[at] - before[at]) / count);
    let line =
        |begins: &str| said.lines().find_map(|line| line.strip_prefix(begins)).unwrap_or("none").trim();
    Ok(Outcome {
        per_second: count / ((ended - begun) as f64 / 1e6),
        median: times[times.len() / 2] as f64,
        cpu,
        memory,
        tls: format!("{}, {}", line("TLS Protocol:"), line("Cipher:")),
    })
}

/// One request, to see whether there is an answer.
pub(crate) async fn answers(address: SocketAddr, folder: &Path) -> Option<()> {
    let body = folder.join("body.json");
    std::fs::write(&body, BODY).ok()?;
    let one = Load { connections: 1, streams: 1 };
    let said = command(address, one, &body).args(["-n", "1"]).output().await.ok()?;
    String::from_utf8_lossy(&said.stdout).contains(" 1 2xx").then_some(())
}

fn command(address: SocketAddr, load: Load, body: &Path) -> Command {
    let mut command = Command::new(programs::find("h2load").unwrap_or_else(|_| "h2load".into()));
    command
        .args(["-c", &load.connections.to_string(), "-m", &load.streams.to_string()])
        .args(["-H", "content-type: application/json"])
        .args(["-H", &format!("authorization: Bearer {}", "t".repeat(TOKEN_BYTES))])
        // Else rustls takes what the client prefers, and OpenSSL what the server does.
        .args(["--tls13-ciphers", "TLS_AES_128_GCM_SHA256"])
        .args(["--connect-to", &address.to_string(), "-d"])
        .arg(body)
        .arg(format!("https://{HOST}/cart/items"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// How long those requests took, in microseconds, that ended within `window` (microseconds since the Unix epoch). A line of
/// h2load's log has a request's begin, its status, and how long it took.
fn times(log: &str, window: std::ops::Range<u64>) -> anyhow::Result<Vec<u64>> {
    let mut times = Vec::new();
    for line in log.lines() {
        let mut words = line.split('\t');
        let mut next = || words.next()?.parse::<i64>().ok();
        // The last line may be cut off by the end.
        let (Some(begun), Some(status), Some(took)) = (next(), next(), next()) else { continue };
        let ended = (begun + took) as u64;
        if window.contains(&ended) {
            ensure!(status == 201, "a request got {status}");
            times.push(took as u64);
        }
    }
    Ok(times)
}
