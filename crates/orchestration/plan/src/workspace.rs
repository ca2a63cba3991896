//! Where the lab was built and where it keeps its things.

use std::path::{Path, PathBuf};

/// The workspace that this program was built in, if it is still run from there.
///
/// Looked for above the executable (`target/debug/lab`), above the package that cargo runs, and
/// above the current folder.
pub fn root() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let here = std::env::current_dir().ok();
    [exe, package, here].into_iter().flatten().find_map(|start| above(&start))
}

/// The workspace's source, to build the hops from: as [`root`], else, under cargo, where this library was
/// compiled from. So a test of another project that depends on this library finds them, too.
pub fn source() -> Option<PathBuf> {
    let compiled = || {
        std::env::var_os("CARGO")?;
        above(Path::new(env!("CARGO_MANIFEST_DIR")))
    };
    root().or_else(compiled)
}

/// The nearest folder above `start` that is the lab's workspace.
fn above(start: &Path) -> Option<PathBuf> {
    let is_root = |folder: &&Path| {
        folder.join("Cargo.toml").is_file() && folder.join("crates/orchestration/lab/Cargo.toml").is_file()
    };
    start.ancestors().find(is_root).map(Path::to_path_buf)
}

/// The folder of all labs' states: `target/lab` in a workspace, else below `$XDG_STATE_HOME`.
pub fn states() -> PathBuf {
    match root() {
        Some(root) => root.join("target/lab"),
        None => home("XDG_STATE_HOME", ".local/state").join("request-journey-lab"),
    }
}

/// The folder of certificates and keys: `certs` in a workspace, else below `$XDG_STATE_HOME`.
pub fn certs() -> PathBuf {
    match root() {
        Some(root) => root.join("certs"),
        None => states().join("certs"),
    }
}

/// The folder for what is fetched once and used by every lab: `target/downloads` in a workspace, else below
/// `$XDG_CACHE_HOME`.
pub fn downloads() -> PathBuf {
    match root() {
        Some(root) => root.join("target/downloads"),
        None => home("XDG_CACHE_HOME", ".cache").join("request-journey-lab"),
    }
}

/// The locks on ranges of ports: one folder for all of a user's workspaces, because they share the ports.
pub fn ports() -> PathBuf {
    home("XDG_STATE_HOME", ".local/state").join("request-journey-lab/ports")
}

/// Where the lab keeps its things for want of a home: neither a workspace nor HOME nor XDG_STATE_HOME says where.
pub fn homeless() -> Option<PathBuf> {
    let set = |variable| std::env::var_os(variable).is_some_and(|path| Path::new(&path).is_absolute());
    (root().is_none() && !set("HOME") && !set("XDG_STATE_HOME")).then(states)
}

fn home(variable: &str, usual: &str) -> PathBuf {
    let given = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    given.unwrap_or_else(|| {
        let home = std::env::var_os("HOME").map_or_else(std::env::temp_dir, PathBuf::from);
        home.join(usual)
    })
}

/// A path as a person reads it best: relative to the current folder when it is below it.
pub fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}

/// An absolute path without a look at the disk.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
