//! The invariants of docs/architecture.md, read from the manifests as cargo understands them.

use std::path::{Path, PathBuf};
use std::process::Command;

use lab::plan::Role;
use serde_json::Value;

/// The longest `main.rs`: a checklist that is taken in at once.
const CHECKLIST: usize = 40;

/// A package of the workspace.
struct Package {
    name: String,
    description: String,
    folder: PathBuf,
    /// Names, each with its kind: `normal`, `dev` or `build`.
    dependencies: Vec<(String, String)>,
}

impl Package {
    fn depends_on(&self, name: &str) -> bool {
        self.dependencies.iter().any(|(dependency, _)| dependency == name)
    }

    fn of_kind(&self, wanted: &str) -> Vec<&str> {
        let fits = self.dependencies.iter().filter(|(_, kind)| kind == wanted);
        fits.map(|(name, _)| name.as_str()).collect()
    }
}

fn root() -> PathBuf {
    tests::program::root().expect("the workspace")
}

/// Every package of the workspace.
fn packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let output = command.output().expect("run cargo metadata");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        description: text(&package["description"]),
        folder: Path::new(&text(&package["manifest_path"])).parent().expect("a folder").to_owned(),
        dependencies: package["dependencies"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|it| (text(&it["name"]), it["kind"].as_str().unwrap_or("normal").to_owned()))
            .collect(),
    };
    metadata["packages"].as_array().expect("a list").iter().map(package).collect()
}

fn hops(packages: &[Package]) -> Vec<&Package> {
    let find = |role: Role| {
        let found = packages.iter().find(|package| package.name == role.as_str());
        found.unwrap_or_else(|| panic!("there is no crate for the role {role}"))
    };
    Role::ALL.into_iter().map(find).collect()
}

#[test]
fn hops_depend_on_no_hop_and_the_lab_links_none() {
    let packages = packages();
    let hops = hops(&packages);
    let lab = packages.iter().find(|package| package.name == "lab").expect("the lab");
    let shared = packages.iter().filter(|package| ["hop", "journey"].contains(&package.name.as_str()));
    for package in hops.iter().copied().chain([lab]).chain(shared) {
        for hop in &hops {
            assert!(!package.depends_on(&hop.name), "{} depends on the hop {}", package.name, hop.name);
        }
        let upwards = ["lab", "tests"].into_iter().find(|name| package.depends_on(name));
        assert_eq!(upwards, None, "{} depends on a crate that stands above it", package.name);
    }
}

#[test]
fn every_crate_is_a_hop_or_on_the_map() {
    let packages = packages();
    let map = std::fs::read_to_string(root().join("docs/architecture.md")).expect("the map");
    for package in &packages {
        assert!(
            map.contains(&format!("`{}`", package.name)),
            "docs/architecture.md does not name {}",
            package.name
        );
        let described = package.description.len() > 20 && !package.description.contains("TODO");
        assert!(described, "{}: Cargo.toml says not what it is for", package.name);
    }
}

#[test]
fn journey_is_pure() {
    let packages = packages();
    let journey = packages.iter().find(|package| package.name == "journey").expect("journey");
    assert_eq!(journey.of_kind("normal"), ["hdrhistogram", "serde"], "journey reads no clock and does no IO");
    assert_eq!(journey.of_kind("dev"), ["proptest"]);
    assert!(journey.of_kind("build").is_empty());
}

#[test]
fn every_hop_has_the_same_rooms() {
    for hop in hops(&packages()) {
        let source = hop.folder.join("src");
        for room in ["main.rs", "lib.rs", "config.rs", "server.rs"] {
            assert!(source.join(room).is_file(), "{} has no {room}", hop.name);
        }
        let main = std::fs::read_to_string(source.join("main.rs")).expect("main.rs");
        let lines = main.lines().count();
        assert!(lines <= CHECKLIST, "{}: main.rs has {lines} lines, more than {CHECKLIST}", hop.name);
    }
}

#[tokio::test]
async fn a_hop_works_without_the_lab() {
    let binaries = tests::program::hops().await.expect("build the hops");
    for role in Role::ALL {
        let help = Command::new(binaries.path(role)).arg("--help").output().expect("start the hop");
        let text = String::from_utf8_lossy(&help.stdout);
        assert!(help.status.success(), "{role} --help ended with {}", help.status);
        for variable in
            ["LISTEN", "ADMIN", "OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_ENDPOINT", "DRAIN_SECONDS"]
        {
            assert!(text.contains(variable), "{role} --help does not name {variable}:\n{text}");
        }
    }
}
