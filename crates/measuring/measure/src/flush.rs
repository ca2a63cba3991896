//! A resolver forgets, so that the next lookup begins at the root again.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use hop::admin::{Secret, client};
use tokio::process::Command;

use crate::target::{Flush, Target};

/// How long a foreign resolver's cache may take to be emptied.
const LIMIT: Duration = Duration::from_secs(10);

/// Empties the resolver's cache. A foreign resolver without a command for it keeps its cache.
///
/// # Errors
/// The resolver's admin endpoint does not respond as it should, or the command fails.
pub async fn flush_resolver(target: &Target) -> anyhow::Result<()> {
    match &target.flush {
        Flush::Endpoint { admin, secret } => post(*admin, secret).await,
        Flush::Command { words, path } => run(words, path).await,
    }
    .context("empty the resolver's cache")
}

async fn post(admin: SocketAddr, secret: &Secret) -> anyhow::Result<()> {
    let status = client::post(admin, "/flush", "", secret).await?.status;
    anyhow::ensure!(status.is_success(), "{admin} responded {status}");
    Ok(())
}

async fn run(words: &[String], path: &OsStr) -> anyhow::Result<()> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", path);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, command.output()).await;
    let output = output
        .with_context(|| format!("{program} did not end within {LIMIT:?}"))?
        .with_context(|| format!("run {program}"))?;
    let text = [output.stderr, output.stdout].concat();
    let text = String::from_utf8_lossy(&text);
    anyhow::ensure!(output.status.success(), "{program}: {}: {}", output.status, text.trim());
    Ok(())
}
