//! The `lab` program itself, built once and started as from a user's shell.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::Context as _;
use lab::binaries::Binaries;
use lab::plan::Role;
use tokio::process::Command;
use tokio::sync::OnceCell;

/// A text in one line, as it was before it was fitted to a terminal.
pub fn unbroken(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The workspace.
///
/// # Errors
/// This program is not run from it.
pub fn root() -> anyhow::Result<PathBuf> {
    lab::workspace::root().context("tests and benchmarks run in the workspace")
}

/// The hops' programs, built if need be, in this program's own profile.
///
/// # Errors
/// The build fails.
pub async fn hops() -> anyhow::Result<Binaries> {
    Binaries::ensure(&Role::ALL.into_iter().collect(), true).await
}

/// The lab's program and the hops', built once by this process, in its own profile.
///
/// # Errors
/// The build fails.
pub async fn path() -> anyhow::Result<&'static Path> {
    static PATH: OnceCell<PathBuf> = OnceCell::const_new();
    let path = PATH.get_or_try_init(async || {
        let path = hops().await?.path(Role::Lb).with_file_name("lab");
        let folder = path.parent().context("a program lies in a folder")?;
        let profile = match folder.file_name().and_then(OsStr::to_str) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let mut command =
            without_cargo(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())));
        // The whole workspace, because alone the lab would be built with fewer features of tokio and others,
        // and all that stands on them a second time.
        command.current_dir(root()?).args(["build", "--bins", "--workspace", "--profile", profile]);
        command.env("CARGO_TARGET_DIR", folder.parent().context("a profile's folder lies in target")?);
        let status =
            command.stdin(Stdio::null()).stdout(Stdio::null()).status().await.context("run cargo")?;
        anyhow::ensure!(status.success(), "build the lab: cargo ended with {status}");
        Ok(path)
    });
    path.await.map(PathBuf::as_path)
}

/// A command of `lab`; the child does not outlive it.
///
/// # Errors
/// As [`path`].
pub async fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> anyhow::Result<Command> {
    let mut command = without_cargo(Command::new(path().await?));
    command.current_dir(root()?).args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// Removes what cargo tells this process: a user's shell does not have it, and build scripts would take it
/// for a change.
pub fn without_cargo(mut command: Command) -> Command {
    for (key, _) in std::env::vars_os() {
        let of_cargo = key.to_string_lossy().starts_with("CARGO") && key != "CARGO_HOME";
        if of_cargo || key == "RUST_LOG" {
            command.env_remove(&key);
        }
    }
    command
}
