//! A real PostgreSQL with a folder and a port of its own.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use inventory::config::DatabaseUrl;
use inventory::stock::Stock;
use tempfile::TempDir;

/// How long it may take to start.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// The user `nobody`: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// A running server; it ends with this value.
pub(crate) struct Server {
    programs: PathBuf,
    folder: TempDir,
    address: SocketAddr,
    process: Option<Child>,
}

impl Server {
    /// Makes a database and waits until it answers.
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = hop::listen::own_loopback();
        let mut server = Server { programs: programs(), folder, address, process: None };
        if server.is_root() {
            chown(server.folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let made = server
            .command("initdb")
            .args(["--username=shop", "--auth=trust", "--encoding=UTF8", "--locale=C"])
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        server.run();
        let url = server.url();
        let opened =
            hop::wait::until("PostgreSQL to answer", LIMIT, async || Stock::open(&url, &[]).await.ok());
        if let Err(error) = opened.await {
            let log = std::fs::read_to_string(server.folder.path().join("log")).unwrap_or_default();
            panic!("{error}; it said: {log}");
        }
        server
    }

    /// Starts it (again).
    pub(crate) fn run(&mut self) {
        let log =
            std::fs::File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let folder = self.folder.path().display().to_string();
        let process = self
            .command("postgres")
            .args([
                "-h",
                &self.address.ip().to_string(),
                "-p",
                &self.address.port().to_string(),
                "-k",
                &folder,
            ])
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(process);
    }

    /// Ends it without a checkpoint or a farewell ("immediate shutdown"): it recovers at the next start.
    pub(crate) fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            let quit = Command::new("kill").args(["-QUIT", &process.id().to_string()]).status();
            assert!(quit.is_ok_and(|status| status.success()), "kill -QUIT");
            let _ = process.wait();
        }
    }

    /// Where it is.
    pub(crate) fn url(&self) -> DatabaseUrl {
        format!("postgres://shop@{}/postgres", self.address).parse().unwrap()
    }

    fn is_root(&self) -> bool {
        std::fs::metadata("/proc/self").unwrap().uid() == 0
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.arg("-D").arg(self.folder.path().join("data")).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if self.is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.crash();
    }
}

/// The folder with `postgres` and `initdb`, of the newest version there is.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    found.sort();
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let candidates = found.into_iter().rev().map(|(_, path)| path).chain(on_path);
    let complete =
        |folder: &PathBuf| ["initdb", "postgres"].iter().all(|name| Path::is_file(&folder.join(name)));
    candidates.into_iter().find(complete).expect(
        "this test needs PostgreSQL: apt-get install postgresql (Debian), brew install postgresql (macOS)",
    )
}
