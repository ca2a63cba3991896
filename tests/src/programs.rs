//! Real programs, as a user runs them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;

/// No program takes longer.
const LIMIT: Duration = Duration::from_secs(60);
/// Which package of Debian and Ubuntu has which program, where the two have different names.
const PACKAGES: [(&str, &str); 5] = [
    ("dig", "bind9-dnsutils"),
    ("redis-benchmark", "redis-tools"),
    ("redis-cli", "redis-tools"),
    ("javac", "default-jdk-headless"),
    ("mvn", "maven"),
];

/// What a program said and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Where a program is. Daemons lie in `sbin`, which is not in everyone's PATH.
///
/// # Errors
/// It is not installed; the error says how to install it. Tests fail then: a test that is skipped in
/// silence is no test.
pub fn find(program: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| is_program(file)).with_context(|| {
        let package =
            PACKAGES.iter().find(|(name, _)| *name == program).map_or(program, |(_, package)| package);
        format!("{program} is not installed\n  what to do: apt-get install {package}")
    })
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Runs a program to its end, at most a minute.
///
/// # Errors
/// It is not installed, or does not end in time. An exit code other than 0 is no error here.
pub async fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<Said> {
    let mut command = Command::new(find(program)?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.kill_on_drop(true).output();
    let Ok(output) = tokio::time::timeout(LIMIT, output).await else {
        bail!("{program} did not end within {LIMIT:?}");
    };
    let output = output.with_context(|| format!("run {program}"))?;
    Ok(Said {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Runs a program that must succeed, and returns what it wrote to its standard output.
///
/// # Errors
/// As [`run`], or it ends with another code than 0.
pub async fn output<S: AsRef<OsStr>>(
    program: &str,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<String> {
    let said = run(program, arguments).await?;
    anyhow::ensure!(said.code == Some(0), "{program} ended with {:?}: {}", said.code, said.stderr.trim());
    Ok(said.stdout)
}
