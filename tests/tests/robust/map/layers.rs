//! Which crate may depend on which: what docs/architecture.md draws.

use super::{Breach, Package};

/// The folders of `crates`, each with those that stand below it.
const FOLDERS: [(&str, &[&str]); 6] = [
    ("base", &[]),
    ("protocols", &["base"]),
    ("engines", &["protocols", "base"]),
    ("hops", &["protocols", "base"]),
    ("measuring", &["protocols", "base"]),
    ("orchestration", &["protocols", "base"]),
];

/// The arrows that are drawn crate by crate.
const ARROWS: [(&str, &str); 15] = [
    ("hop", "journey"),
    ("recursion", "dnswire"),
    ("stack", "net"),
    ("lab", "net"),
    ("reliability", "redis-client"),
    ("reliability", "kafka-client"),
    ("measure", "browser"),
    ("measure", "tap"),
    ("report", "measure"),
    ("report", "tap"),
    ("stack", "plan"),
    ("lab", "stack"),
    ("lab", "plan"),
    ("lab", "report"),
    ("lab", "measure"),
];

/// Wrong although the folders allow it: (who, what, why).
const NEVER: [(&str, &str, &str); 1] = [("stack", "journey", "who starts programs knows no spans")];

pub(super) fn breaches(packages: &[Package]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for package in packages.iter().filter(|package| package.group() != "") {
        let Some((group, below)) = FOLDERS.iter().find(|(group, _)| *group == package.group()) else {
            let says = format!("lies in crates/{}, which is not on the map", package.group());
            breaches.push(Breach::new(&package.name, says));
            continue;
        };
        for (name, kind) in &package.dependencies {
            let Some(other) = packages.iter().find(|other| other.name == *name) else { continue };
            let drawn = ARROWS.contains(&(&package.name, name));
            let why = NEVER.iter().find(|(from, to, _)| *from == package.name && to == name);
            if let Some((.., why)) = why {
                breaches.push(Breach::new(&package.name, format!("depends on {name}: {why}")));
            } else if !drawn && !below.contains(&other.group()) {
                let says = format!("({group}) depends on {name} ({}; {kind}): no such arrow", other.group());
                breaches.push(Breach::new(&package.name, says));
            }
        }
    }
    // The suites stand above all of it, and start the hops as programs.
    let suites = packages.iter().filter(|package| package.group() == "");
    for package in suites {
        let program = |it: &Package| ["hops", "engines"].contains(&it.group());
        let is_hop = |name: &String| packages.iter().any(|it| it.name == *name && program(it));
        for (name, _) in package.dependencies.iter().filter(|(name, _)| is_hop(name)) {
            breaches.push(Breach::new(&package.name, format!("links {name}")));
        }
    }
    breaches
}

#[test]
fn an_arrow_that_is_not_drawn_is_found() {
    let package = |name, group, dependencies: &[&str]| Package::made_up(name, group, dependencies);
    let sound = [
        package("journey", "base", &[]),
        package("hop", "base", &["journey", "serde"]),
        package("dnswire", "protocols", &["hop"]),
        package("lb", "hops", &["hop", "dnswire"]),
        package("browser", "hops", &["hop"]),
        package("store", "engines", &["hop"]),
        package("measure", "measuring", &["browser", "journey"]),
        package("stack", "orchestration", &["hop"]),
        package("lab", "orchestration", &["stack", "measure"]),
        package("tests", "", &["lab", "hop"]),
    ];
    assert_eq!(breaches(&sound), []);
    for (name, group, dependency) in [
        ("journey", "base", "hop"),
        ("dnswire", "protocols", "lb"),
        ("lb", "hops", "browser"),
        ("lb", "hops", "store"),
        ("measure", "measuring", "lb"),
        ("measure", "measuring", "stack"),
        ("lab", "orchestration", "browser"),
        ("stack", "orchestration", "measure"),
        ("stack", "orchestration", "journey"),
        ("tests", "", "lb"),
        ("lb", "common", "hop"),
    ] {
        let mut packages = sound.clone().to_vec();
        packages.retain(|package| package.name != name);
        packages.push(package(name, group, &[dependency]));
        assert_eq!(breaches(&packages).len(), 1, "{name} depends on {dependency}");
    }
}
