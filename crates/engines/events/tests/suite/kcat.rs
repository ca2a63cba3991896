//! The client that people have installed.
#![allow(unreachable_pub, reason = "used within this program only")]

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs kcat with `input` and gives back what it printed. Panics when it fails.
pub async fn kcat(address: SocketAddr, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new("kcat");
    command.args(["-b", &address.to_string()]).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap_or_else(|error| {
        panic!("start kcat: {error}; install it (apt-get install kcat): these tests are about real clients")
    });
    let mut stdin = process.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("write to kcat");
    drop(stdin);
    let ended = tokio::time::timeout(LIMIT, process.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("kcat {arguments:?} took too long")).expect("kcat's output");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kcat {arguments:?}: {}\n{said}", output.status);
    String::from_utf8(output.stdout).expect("text")
}
