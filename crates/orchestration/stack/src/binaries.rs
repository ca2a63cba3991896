//! The hops' programs: found beside the lab's own, and built first when the lab runs from a workspace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use plan::Role;
use tokio::process::Command;
use tokio::sync::Mutex;

/// The build profile of this program, and of the hops when it built them.
pub const PROFILE: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// The folder that holds the hops' programs.
#[derive(Clone, Debug)]
pub struct Binaries(PathBuf);

impl Binaries {
    /// Sees to it that these roles' programs are there, and up to date if they can be built.
    ///
    /// They can be built when the lab lies in its workspace's target folder and there is a cargo: then
    /// one `cargo build` makes them, in the lab's own profile. `build: false` takes what is there.
    ///
    /// # Errors
    /// The build fails, or a program is missing.
    pub async fn ensure(roles: &BTreeSet<Role>, build: bool) -> anyhow::Result<Self> {
        // Labs of one process (tests) take turns, and build what is built already only once.
        static BUILT: Mutex<BTreeSet<Role>> = Mutex::const_new(BTreeSet::new());
        let exe = std::env::current_exe().context("find this program's own file")?;
        let source = plan::workspace::source();
        let folder = match &source {
            Some(root) if is_example_of_a_document(&exe) => target(root).join(PROFILE),
            _ => beside(&exe),
        };
        let mut built = BUILT.lock().await;
        let missing: Vec<Role> = roles.difference(&built).copied().collect();
        let root = source.filter(|root| is_built_in(&folder, root));
        if let Some(root) = root.filter(|_| build && !missing.is_empty()) {
            cargo_build(&root, &folder, &missing).await?;
            built.extend(missing);
        }
        let binaries = Binaries(folder);
        for role in roles {
            let path = binaries.path(*role);
            if !path.is_file() {
                bail!(
                    "there is no program {}\n  what to do: run `cargo build --bins -p {role}`, or leave out --no-build",
                    path.display()
                );
            }
        }
        Ok(binaries)
    }

    /// The program that plays this role by default.
    pub fn path(&self, role: Role) -> PathBuf {
        self.0.join(role.as_str())
    }
}

/// The folder of programs: the executable's own, or the one above for a test in `deps`.
fn beside(exe: &Path) -> PathBuf {
    let folder = exe.parent().unwrap_or(Path::new("."));
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("deps" | "examples") => folder.parent().unwrap_or(folder).to_path_buf(),
        _ => folder.to_path_buf(),
    }
}

/// rustdoc puts the examples that it runs into a folder of its own, where no programs lie.
fn is_example_of_a_document(exe: &Path) -> bool {
    std::env::var_os("CARGO").is_some() && !beside(exe).join("deps").is_dir()
}

/// Where cargo builds, as far as the environment tells.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target))
}

/// Was this put there by cargo? Under `cargo run` always, else when it lies in the workspace's target.
fn is_built_in(folder: &Path, root: &Path) -> bool {
    std::env::var_os("CARGO").is_some() || folder.starts_with(root.join("target"))
}

async fn cargo_build(root: &Path, folder: &Path, roles: &[Role]) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command.current_dir(root).args(["build", "--bins"]);
    // target/debug is the profile "dev"; every other folder is named after its profile.
    match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => {}
        Some(profile) => {
            command.args(["--profile", profile]);
        }
    }
    for role in roles {
        command.args(["-p", role.as_str()]);
    }
    if let Some(target) = folder.parent() {
        command.env("CARGO_TARGET_DIR", target);
    }
    // What `cargo run` sets for *this* program would make build scripts believe that everything changed.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
            .iter()
            .any(|start| name.starts_with(start))
        {
            command.env_remove(&key);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    let status = match command.status().await {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            tracing::debug!("no cargo: taking the programs that are there");
            return Ok(());
        }
        Err(error) => return Err(error).context("run cargo"),
    };
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    anyhow::ensure!(
        status.success(),
        "build the hops ({}): cargo ended with {status}\n  what to do: mend what cargo says above, or use --no-build to run the last programs that were built",
        names.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests;
