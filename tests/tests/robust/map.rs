//! The rules of the house, each in a module of its own, with a twin that breaks it. What docs/architecture.md says of
//! layers, circles, lengths and places is read from the manifests as cargo understands them, and from the sources.
//!
//! | module | rule |
//! |---|---|
//! | `layers` | dependencies run down the map, and nobody links a hop |
//! | `circles` | no two files of a crate need each other |
//! | `size` | a hop is read in 15 minutes, a file at one sitting |
//! | `layout` | `x.rs` and `x/`, unit tests in `x/tests.rs`, integration tests in `tests/suite/main.rs` |
//! | `trail` | `lib.rs` says where a reader begins |
//! | `comments` | no comment only repeats a name |
//! | `words` | names are the field's |
//!
//! `reader` reads a crate into the tree of modules that `source` describes. `exceptions` names who breaks which rule, and why.

mod circles;
mod comments;
mod exceptions;
mod layers;
mod layout;
mod reader;
mod size;
mod source;
mod trail;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::plan::Role;
use serde_json::Value;

use exceptions::EXCEPTIONS;

/// A package of the workspace.
#[derive(Clone, Debug)]
struct Package {
    name: String,
    description: String,
    folder: PathBuf,
    /// Names, each with its kind: `normal`, `dev` or `build`.
    dependencies: Vec<(String, String)>,
}

impl Package {
    fn of_kind(&self, wanted: &str) -> Vec<&str> {
        let fits = self.dependencies.iter().filter(|(_, kind)| kind == wanted);
        fits.map(|(name, _)| name.as_str()).collect()
    }

    /// Its folder below `crates`; empty for what lies elsewhere.
    fn group(&self) -> &str {
        let mut folders = self.folder.iter().rev().skip(1).filter_map(|name| name.to_str());
        match (folders.next(), folders.next()) {
            (Some(group), Some("crates")) => group,
            _ => "",
        }
    }

    fn source(&self, file: &str) -> PathBuf {
        self.folder.join("src").join(file)
    }

    /// Its sources without unit tests and what only they use.
    fn production(&self) -> Vec<PathBuf> {
        let only_tests = |file: &PathBuf| {
            let inside = file.strip_prefix(&self.folder).unwrap_or(file).with_extension("");
            inside.iter().any(|part| part == "tests" || part == "testing")
        };
        let mut files = every_file(&self.folder.join("src"));
        files.retain(|file| !only_tests(file));
        files
    }

    /// One that exists in a checker's twin only.
    fn made_up(name: &str, group: &str, dependencies: &[&str]) -> Self {
        let folder = if group.is_empty() { name.into() } else { format!("crates/{group}/{name}") };
        Self {
            name: name.to_owned(),
            description: String::new(),
            folder: folder.into(),
            dependencies: dependencies.iter().map(|name| ((*name).to_owned(), "normal".to_owned())).collect(),
        }
    }
}

/// Who breaks a rule, and how.
#[derive(Clone, Debug, PartialEq)]
struct Breach {
    /// A crate's name, or a file's path.
    who: String,
    says: String,
}

impl Breach {
    fn new(who: &str, says: impl Into<String>) -> Self {
        Self { who: who.to_owned(), says: says.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.who, self.says)
    }
}

/// Panics with every breach that is no known exception, and with every exception that nobody needs any more.
fn keep(rule: &str, breaches: &[Breach]) {
    let excepted: BTreeSet<&str> =
        EXCEPTIONS.iter().filter(|(of, ..)| *of == rule).map(|(_, who, _)| *who).collect();
    let new =
        breaches.iter().filter(|breach| !excepted.contains(breach.who.as_str())).map(ToString::to_string);
    let kept = excepted.iter().filter(|who| breaches.iter().all(|breach| breach.who != **who));
    let kept = kept.map(|who| {
        format!("{who} keeps the rule now: take (\"{rule}\", \"{who}\", …) out of the exceptions")
    });
    let wrong: Vec<String> = new.chain(kept).collect();
    assert!(wrong.is_empty(), "{rule}:\n  {}", wrong.join("\n  "));
}

fn root() -> PathBuf {
    tests::program::root().expect("the workspace")
}

/// A path as seen from the workspace.
fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

fn text_of(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The sources below a folder, in order; none if there is no such folder.
fn every_file(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let inside = |path: PathBuf| match path.is_dir() {
        true => every_file(&path),
        false => vec![path],
    };
    let files = paths.into_iter().flat_map(inside);
    files.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
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

#[test]
fn dependencies_run_down_the_map() {
    keep("layers", &layers::breaches(&packages()));
}

#[test]
fn no_two_files_need_each_other() {
    let breaches: Vec<Breach> = packages().iter().flat_map(circles::breaches).collect();
    keep("circles", &breaches);
}

#[test]
fn a_hop_is_read_in_fifteen_minutes() {
    keep("lines of a hop", &packages().iter().filter_map(size::of_hops).collect::<Vec<_>>());
}

#[test]
fn a_reader_is_told_where_to_begin() {
    keep("first files", &packages().iter().filter_map(trail::breach).collect::<Vec<_>>());
}

#[test]
fn a_file_is_read_at_one_sitting() {
    keep("lines of a file", &packages().iter().flat_map(size::of_files).collect::<Vec<_>>());
}

#[test]
fn modules_and_tests_lie_where_one_looks_for_them() {
    keep("layout", &packages().iter().flat_map(layout::breaches).collect::<Vec<_>>());
}

#[test]
fn no_comment_only_repeats_a_name() {
    keep("comments", &packages().iter().flat_map(comments::breaches).collect::<Vec<_>>());
}

#[test]
fn names_are_the_fields() {
    keep("words", &packages().iter().flat_map(words::breaches).collect::<Vec<_>>());
}

/// A lock of the standard library is poisoned by a panic, which every user of the lock then has to think about.
#[test]
fn no_lock_is_poisoned() {
    let poisoned = ["Poison", "Error"].concat();
    let mut breaches = Vec::new();
    for package in packages() {
        for file in every_file(&package.folder).iter().filter(|file| text_of(file).contains(&poisoned)) {
            breaches.push(Breach::new(&package.name, format!("{}: use parking_lot's locks", shown(file))));
        }
    }
    keep("locks", &breaches);
}

#[test]
fn every_crate_is_on_the_map() {
    let map = text_of(&root().join("docs/architecture.md"));
    for package in &packages() {
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
    assert_eq!(
        journey.of_kind("normal"),
        ["hdrhistogram", "serde", "statrs"],
        "journey reads no clock and does no IO"
    );
    assert_eq!(journey.of_kind("dev"), ["proptest"]);
    assert!(journey.of_kind("build").is_empty());
}

#[test]
fn every_hop_has_the_same_modules() {
    let packages = packages();
    for role in Role::ALL {
        let hop = packages.iter().find(|package| package.name == role.as_str());
        let hop = hop.unwrap_or_else(|| panic!("there is no crate for the role {role}"));
        for module in ["main.rs", "lib.rs", "config.rs", "server.rs"] {
            assert!(hop.source(module).is_file(), "{role} has no {module}");
        }
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

/// The twin of [`keep`]: a new breach is told, and so is an exception without one.
#[test]
#[should_panic(expected = "no such crate keeps the rule now")]
fn an_exception_that_nobody_needs_is_found() {
    keep(exceptions::TWIN, &[]);
}
