//! The `lab` program itself, as a user or a script starts it.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::program::unbroken;
use tokio::process::{Child, Command};

use super::process::Process;

/// How long any command of these tests may take, on a machine that is busy with others.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How a command ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub(crate) fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, Some(wanted), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless stderr holds all of these, in however many lines.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        let said = unbroken(&self.stderr);
        for word in words {
            assert!(said.contains(&unbroken(word)), "stderr does not say {word:?}:\n{}", self.stderr);
        }
        self
    }
}

/// A command of `lab`.
pub(crate) async fn command(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    tests::program::command(arguments).await.expect("build the lab")
}

/// Runs a command of `lab` to its end.
pub(crate) async fn lab(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
    end(command(arguments).await).await
}

/// Runs any command to its end.
pub(crate) async fn end(mut command: Command) -> Ended {
    let shown = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(LIMIT, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{shown} did not end within {LIMIT:?}"));
    let output = output.unwrap_or_else(|error| panic!("start {shown}: {error}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `lab` in the background, its output in files.
pub(crate) struct Background {
    child: Child,
    folder: PathBuf,
    pub(crate) process: Process,
}

impl Background {
    /// Starts it; `folder` gets its output.
    pub(crate) async fn start(folder: &Path, arguments: &[String]) -> Self {
        let mut command = command(arguments).await;
        let file = |name: &str| File::create(folder.join(name)).expect("create a file for its output");
        command.stdout(file("stdout")).stderr(file("stderr"));
        let child = command.spawn().expect("start lab");
        let process =
            Process::of(child.id().expect("it was just started"), "lab").expect("it was just started");
        Background { child, folder: folder.to_owned(), process }
    }

    /// What it wrote so far.
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.folder.join("stdout")).unwrap_or_default()
    }

    /// What it wrote so far.
    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// Waits until its standard error holds `words`; fails when it ends before.
    pub(crate) async fn until_it_says(&mut self, words: &str) {
        let awaited = hop::wait::until(words, LIMIT, async || {
            let ended = self.child.try_wait().expect("look at lab");
            if unbroken(&self.stderr()).contains(&unbroken(words)) {
                return Some(Ok(()));
            }
            ended.map(Err)
        });
        match awaited.await {
            Ok(Ok(())) => {}
            Ok(Err(status)) => panic!("lab ended with {status} before it said {words:?}:\n{}", self.stderr()),
            Err(error) => panic!("{error}; lab said:\n{}", self.stderr()),
        }
    }

    /// Waits for its end.
    pub(crate) async fn ended(mut self) -> Ended {
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        let status =
            status.unwrap_or_else(|_| panic!("lab did not end within {LIMIT:?}:\n{}", self.stderr()));
        let code = status.expect("wait for lab").code();
        Ended { code, stdout: self.stdout(), stderr: self.stderr() }
    }
}
