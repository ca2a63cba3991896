//! The names of spans and attributes stand in one place, `journey::semconv`, and what puts journeys together knows no
//! stack: both as docs/architecture.md says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use journey::Stage;
use journey::semconv::convention::Convention;
use journey::semconv::{attribute, name, stamp};
use lab::plan::Role;

/// How a program names a span (before a literal that is the name), in all crates.
const NAMES_A_SPAN: [&str; 6] =
    ["Kind::Internal, ", ".internal(", ".wait(", ".record(", ".record_wait(", "recorder.did("];
/// How a program writes or reads an attribute (before a literal that is the key).
const NAMES_AN_ATTRIBUTE: [&str; 3] = [".with(", ".attribute(", ".text("];

fn root() -> PathBuf {
    tests::program::root().expect("the workspace")
}

/// The `src` of every crate, with its name.
fn crates() -> Vec<(String, PathBuf)> {
    let inside = |folder: &Path| {
        let entries =
            std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    let crates = inside(&root().join("crates")).into_iter().flat_map(|group| inside(&group));
    let named = |path: PathBuf| {
        (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), path.join("src"))
    };
    crates.map(named).collect()
}

/// The sources below a folder that are part of programs: no unit tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let stem = entry.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        if ["tests", "testing"].contains(&stem.as_str()) {
            continue;
        }
        if entry.is_dir() {
            found.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&entry).expect("a source file");
            found.push((entry, text));
        }
    }
    found
}

/// The string literals of a source, each with what stands before it on its line; comments have none.
fn literals(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut from = 0;
        while let Some(open) = line[from..].find('"').map(|at| from + at) {
            let Some(close) = line[open + 1..].find('"').map(|at| open + 1 + at) else { break };
            found.push((&line[..open], &line[open + 1..close]));
            from = close + 1;
        }
    }
    found
}

/// The literals of a source that should be constants of `journey::semconv`.
fn misplaced(text: &str) -> Vec<&str> {
    let keys: BTreeSet<&str> = attribute::ALL.iter().chain(stamp::ALL).copied().collect();
    let wrong = |(before, literal): &(&str, &str)| {
        let is_key = keys.contains(literal);
        let like_a_key =
            literal.contains('.') && NAMES_AN_ATTRIBUTE.iter().any(|call| before.ends_with(call));
        let is_name = name::ALL.contains(literal) && NAMES_A_SPAN.iter().any(|call| before.ends_with(call));
        is_key || like_a_key || is_name
    };
    literals(text).into_iter().filter(wrong).map(|(_, literal)| literal).collect()
}

#[test]
fn every_name_of_spans_and_attributes_is_a_constant_of_one_module() {
    let mut looked_at = 0;
    for (_, folder) in crates() {
        for (file, text) in
            sources(&folder).into_iter().filter(|(file, _)| !file.to_string_lossy().contains("semconv"))
        {
            let misplaced = misplaced(&text);
            assert!(
                misplaced.is_empty(),
                "{}: {misplaced:?} should be constants of journey::semconv",
                file.display()
            );
            looked_at += 1;
        }
    }
    assert!(looked_at > 100, "only {looked_at} files");
}

/// The twin: what the check above must find, and what it must leave alone.
#[test]
fn a_misplaced_name_is_found() {
    assert_eq!(misplaced("let span = span.with(\"http.route\", 1);"), ["http.route"]);
    assert_eq!(misplaced("exchange.attribute(\"shop.colour\", 1);"), ["shop.colour"]);
    assert_eq!(misplaced("exchange.wait(\"queue\");"), ["queue"]);
    assert_eq!(misplaced("(\"journey.flow\", Value::Text(value)) => 1,"), ["journey.flow"]);
    let free =
        "exchange.internal(\"validate\"); // \"http.route\"\n// \"journey.flow\"\nlet queue = \"queue\";";
    assert_eq!(misplaced(free), ["http.route"], "a comment behind code is read, too: write it above");
}

/// The rows of a page that do not say what their convention says.
fn undocumented(page: &str) -> Vec<&'static str> {
    let says_it = |convention: &&Convention| {
        let row = page.lines().find(|line| line.starts_with(&format!("| {} |", convention.name)));
        let keys = || convention.required.iter().chain(convention.outcome).chain([&convention.known_by]);
        row.is_some_and(|row| keys().all(|key| row.contains(&format!("`{key}`"))))
    };
    Convention::ALL
        .iter()
        .filter(|convention| !says_it(convention))
        .map(|convention| convention.name)
        .collect()
}

#[test]
fn what_spans_must_carry_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/measuring.md")).expect("the page");
    assert_eq!(undocumented(&page), [""; 0]);
    // The twin: a page that forgets one attribute of one.
    assert_eq!(undocumented(&page.replace("`url.scheme`", "the scheme")), ["HTTP server"]);
}

/// The literals of a source that name a role of the shop, or an instance.
fn roles_named<'a>(text: &'a str, roles: &BTreeSet<&str>) -> Vec<&'a str> {
    let names_one = |literal: &&str| {
        literal.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| roles.contains(word))
    };
    literals(text).into_iter().map(|(_, literal)| literal).filter(names_one).collect()
}

#[test]
fn what_puts_journeys_together_names_no_role_of_the_shop() {
    let mut roles: BTreeSet<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
    roles.extend(["redis", "kafka", "myshop"]);
    // The word of a stage as well: it means the protocol.
    roles.retain(|role| Stage::ALL.iter().all(|stage| stage.as_str() != *role));
    assert_eq!(roles_named("if role == \"cart\" { \"redis.pool\" }", &roles), ["cart", "redis.pool"]);
    let (pure, mut looked_at) = (["journey", "tap"], 0);
    for (_, folder) in crates().iter().filter(|(name, _)| pure.contains(&name.as_str())) {
        for (file, text) in sources(folder) {
            looked_at += 1;
            // OpenTelemetry's own keys, and the made-up journey of the examples.
            if file.ends_with("semconv/attribute.rs") || file.ends_with("example.rs") {
                continue;
            }
            let named = roles_named(&text, &roles);
            assert!(named.is_empty(), "{}: {named:?}", file.display());
        }
    }
    assert!(looked_at > 30, "only {looked_at} files");
}
