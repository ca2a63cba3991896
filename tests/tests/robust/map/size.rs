//! How much there is to read: a hop in 15 minutes, a file at one sitting.

use std::path::{Path, PathBuf};

use super::{Breach, Package, shown, text_of};

/// Lines of a hop's sources, comments counted, tests not.
const HOP: usize = 1_200;
/// The same for a hop with one thing to teach.
const SMALL_HOP: usize = 1_000;
const SMALL_HOPS: [&str; 5] = ["dns", "ingress", "clusterip", "lb", "resolver"];
/// Lines of a file.
const FILE: usize = 300;
/// Lines of a `main.rs`: a checklist that is taken in at once.
const CHECKLIST: usize = 40;

pub(super) fn of_hops(package: &Package) -> Option<Breach> {
    let lines = package.production().iter().map(|file| text_of(file).lines().count()).sum();
    let too_long = too_long(lines, hop_limit(&package.name)).filter(|_| package.group() == "hops");
    too_long.map(|says| Breach::new(&package.name, says))
}

pub(super) fn of_files(package: &Package) -> Vec<Breach> {
    let breach = |file: &PathBuf| {
        let says = too_long(text_of(file).lines().count(), file_limit(file))?;
        Some(Breach::new(&shown(file), says))
    };
    package.production().iter().filter_map(breach).collect()
}

fn hop_limit(name: &str) -> usize {
    if SMALL_HOPS.contains(&name) { SMALL_HOP } else { HOP }
}

fn file_limit(file: &Path) -> usize {
    if file.ends_with("src/main.rs") { CHECKLIST } else { FILE }
}

fn too_long(lines: usize, limit: usize) -> Option<String> {
    (lines > limit).then(|| format!("has {lines} lines, more than {limit}"))
}

#[test]
fn what_is_too_long_is_found() {
    assert_eq!(too_long(1_000, hop_limit("lb")), None);
    assert_eq!(too_long(1_001, hop_limit("lb")).as_deref(), Some("has 1001 lines, more than 1000"));
    assert_eq!(too_long(1_200, hop_limit("cart")), None);
    assert_eq!(file_limit(Path::new("crates/hops/lb/src/main.rs")), CHECKLIST);
    assert_eq!(file_limit(Path::new("crates/hops/lb/src/tls.rs")), FILE);
}
