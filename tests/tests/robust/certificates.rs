//! Secrets are secret, and the lab's authority can sign for nobody but the lab.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use lab::browser::{Browser, Request};
use tests::fixture::Fixture;
use tests::programs;

use super::program;

/// Issues everything in a new folder.
async fn issued() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("create a folder");
    let certs = format!("lab.certs={}", serde_json::Value::from(folder.path().to_string_lossy()));
    let shown = program::lab(["certs", "--json", "--set", &certs]).await.code(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("stdout is JSON");
    let names = shown.as_array().expect("a list").iter().filter_map(|shown| shown["file"].as_str());
    let names: Vec<_> = names.filter_map(|file| Path::new(file).file_name()?.to_str()).collect();
    assert_eq!(names, ["ca.pem", "lb.pem", "resolver.pem"], "{shown}");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[tokio::test]
async fn keys_are_readable_by_their_owner_alone() {
    let folder = issued().await;
    let mut keys = Vec::new();
    for file in std::fs::read_dir(folder.path()).expect("read the folder").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        let mode = file.metadata().expect("it is there").permissions().mode() & 0o777;
        let holds_a_key = std::fs::read_to_string(file.path()).is_ok_and(|text| text.contains("PRIVATE KEY"));
        if holds_a_key {
            assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
            keys.push(name);
        }
    }
    keys.sort();
    assert_eq!(keys, ["ca.key", "jwt.key", "lb.key", "resolver.key"]);
}

/// Carts, stock, events, logs, and the secret: everything but the zones, which anybody may ask for.
#[tokio::test]
async fn what_a_lab_writes_is_readable_by_its_owner_alone() {
    let lab = Fixture::start("modes").await.expect("start the lab");
    let mut browser = Browser::new(lab.target().expect("what to measure").browser).expect("the CA is there");
    let answer = browser.send(&Request::add_item("PROD-123", 1)).await.expect("an answer");
    assert_eq!(answer.status, 201);
    let mut folders = vec![lab.folder().join("data"), lab.folder().join("logs")];
    let mut names = Vec::new();
    let mut check_mode = |path: &Path| {
        let mode = path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        names.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
    };
    check_mode(&lab.folder().join("secret"));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("read the folder").flatten().map(|entry| entry.path())
        {
            check_mode(&entry);
            if entry.is_dir() {
                folders.push(entry);
            }
        }
    }
    for kept in ["inventory.db", "inventory.db-wal", "redis.log", "redis"] {
        assert!(names.iter().any(|name| name == kept), "{kept} is not among {names:?}");
    }
    lab.finish().await;
}

#[tokio::test]
async fn the_authority_vouches_for_the_lab_and_for_nobody_else() {
    let folder = issued().await;
    let (ca, ca_key) = (folder.path().join("ca.pem"), folder.path().join("ca.key"));
    for (leaf, check) in [
        ("lb.pem", ["-verify_hostname", "api.myshop.com"]),
        ("lb.pem", ["-verify_ip", "127.0.113.50"]),
        ("resolver.pem", ["-verify_ip", "127.0.53.53"]),
    ] {
        let leaf = folder.path().join(leaf);
        let verify = ["verify", "-CAfile", text(&ca), check[0], check[1], text(&leaf)];
        let said = programs::run("openssl", verify).await.expect("run openssl");
        assert_eq!(said.code, Some(0), "{check:?}: {}{}", said.stdout, said.stderr);
    }
    // Somebody has stolen the key and signs what he likes: whoever trusts the authority does not care.
    for (name, allowed) in [
        ("DNS:www.myshop.com", true),
        ("DNS:www.example.com", false),
        ("DNS:myshop.com.example.com", false),
        ("IP:127.0.0.9", true),
        ("IP:192.0.2.1", false),
    ] {
        let stolen = folder.path().join("stolen.pem");
        let key = folder.path().join("stolen.key");
        let names = format!("subjectAltName={name}");
        #[rustfmt::skip]
        let request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", "/O=somebody", "-addext", &names, "-days", "1", "-CA", text(&ca), "-CAkey", text(&ca_key),
            "-keyout", text(&key), "-out", text(&stolen)];
        programs::output("openssl", request).await.expect("sign with the authority's key");
        let verify = programs::run("openssl", ["verify", "-CAfile", text(&ca), text(&stolen)]).await;
        let said = verify.expect("run openssl");
        assert_eq!(said.code == Some(0), allowed, "{name}: {}{}", said.stdout, said.stderr);
        assert!(allowed || said.stderr.contains("permitted subtree"), "{name}: {}", said.stderr);
    }
}

#[tokio::test]
async fn what_is_good_is_kept_and_what_is_renewed_is_all_new() {
    let folder = issued().await;
    let read = || {
        let files =
            ["ca.pem", "ca.key", "lb.pem", "lb.key", "resolver.pem", "resolver.key", "jwt.key", "jwt.pub"];
        files.map(|file| std::fs::read_to_string(folder.path().join(file)).expect(file))
    };
    let certs = format!("lab.certs={}", serde_json::Value::from(folder.path().to_string_lossy()));
    let before = read();
    program::lab(["certs", "--set", &certs]).await.code(0);
    assert_eq!(read(), before, "nothing had to be issued again");
    program::lab(["certs", "--set", &certs, "--renew"]).await.code(0);
    assert!(read().iter().zip(&before).all(|(new, old)| new != old), "everything is issued again");
}

#[tokio::test]
async fn nothing_secret_is_in_the_repository() {
    let root = tests::program::root().expect("the workspace");
    let git = |arguments: &[&str]| {
        let arguments: Vec<String> =
            ["-C", text(&root)].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        programs::run("git", arguments)
    };
    let tracked = git(&["ls-files", "certs"]).await.expect("run git");
    assert_eq!(tracked.code, Some(0), "{}", tracked.stderr);
    let allowed = ["certs/.gitignore", "certs/README.md"];
    let secret: Vec<&str> = tracked.stdout.lines().filter(|file| !allowed.contains(file)).collect();
    assert!(secret.is_empty(), "tracked by git: {secret:?}");
    for file in ["certs/ca.key", "certs/ca.pem", "certs/jwt.key", "certs/lb.key", "target/lab/lab/run.json"] {
        let ignored = git(&["check-ignore", "-q", file]).await.expect("run git");
        assert_eq!(ignored.code, Some(0), "{file} could be committed: it is not ignored");
    }
    // A key anywhere else; the marker is put together here, so that this file is not found.
    let marker = ["-----BEGIN ", "PRIVATE KEY"].concat();
    let found = git(&["grep", "-lE", &marker.replace(' ', "[A-Z ]*")]).await.expect("run git");
    let keys: Vec<&str> = found.stdout.lines().collect();
    assert!(keys.is_empty(), "private keys in tracked files: {keys:?}");
}
