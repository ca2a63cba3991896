//! No two files of a crate need each other, nor in a ring: whoever reads one never has to come back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::reader::{tree_of, tree_of_texts};
use super::source::Tree;
use super::{Breach, Package};

/// From each file to those whose items it names, with these names.
type Uses = BTreeMap<PathBuf, BTreeMap<PathBuf, BTreeSet<String>>>;

pub(super) fn breaches(package: &Package) -> Vec<Breach> {
    let roots = ["lib.rs", "main.rs"].map(|name| package.source(name));
    let trees = roots.iter().filter(|root| root.is_file()).map(|root| tree_of(root));
    let breach = |circle: BTreeSet<PathBuf>, uses: &Uses| {
        Breach::new(&package.name, drawn(&circle, uses, &package.folder.join("src")))
    };
    let of_tree = |tree: Tree| {
        let uses = uses(&tree);
        circles(&uses).into_iter().map(|circle| breach(circle, &uses)).collect::<Vec<_>>()
    };
    trees.flat_map(of_tree).collect()
}

fn uses(tree: &Tree) -> Uses {
    let mut uses = Uses::new();
    for (module, content) in &tree.modules {
        for path in &content.paths {
            let Some((other, name)) = tree.defined_in(module, path) else { continue };
            let file = &tree.modules[&other].file;
            // A module alone is a way, not what stands at its end.
            if file != &content.file && name != "self" {
                let of = uses.entry(content.file.clone()).or_default();
                of.entry(file.clone()).or_default().insert(name);
            }
        }
        for (glob, _) in content.globs.iter().filter(|(_, handed_on)| !handed_on) {
            let all: Vec<String> = glob.iter().cloned().chain(["*".to_owned()]).collect();
            let Some((other, _)) = tree.defined_in(module, &all) else { continue };
            let file = &tree.modules[&other].file;
            if file != &content.file {
                let of = uses.entry(content.file.clone()).or_default();
                of.entry(file.clone()).or_default().insert("*".to_owned());
            }
        }
    }
    uses
}

/// Sets of files, each of which leads to all others of its set.
fn circles(uses: &Uses) -> Vec<BTreeSet<PathBuf>> {
    let reached: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        uses.keys().map(|file| (file, reached_from(file, uses))).collect();
    let circle = |file: &PathBuf| -> BTreeSet<PathBuf> {
        let back = |other: &&PathBuf| reached.get(*other).is_some_and(|reached| reached.contains(file));
        reached[file].iter().copied().filter(back).cloned().collect()
    };
    let circles: BTreeSet<BTreeSet<PathBuf>> = uses.keys().map(circle).collect();
    circles.into_iter().filter(|circle| circle.len() > 1).collect()
}

fn reached_from<'a>(file: &PathBuf, uses: &'a Uses) -> BTreeSet<&'a PathBuf> {
    let (mut reached, mut next) = (BTreeSet::new(), vec![file]);
    while let Some(file) = next.pop() {
        let new = uses.get(file).into_iter().flat_map(BTreeMap::keys).filter(|file| reached.insert(*file));
        next.extend(new.collect::<Vec<_>>());
    }
    reached
}

/// A circle with the names that tie it.
fn drawn(circle: &BTreeSet<PathBuf>, uses: &Uses, source: &Path) -> String {
    let shown = |file: &Path| file.strip_prefix(source).unwrap_or(file).display().to_string();
    let mut text = format!("a circle of {} files", circle.len());
    for (file, of) in uses.iter().filter(|(file, _)| circle.contains(*file)) {
        for (other, names) in of.iter().filter(|(other, _)| circle.contains(*other)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            text += &format!("\n      {} -> {}: {}", shown(file), shown(other), names.join(", "));
        }
    }
    text
}

/// The twin: circles that must be found, and what only looks like one.
#[test]
fn a_circle_is_found_with_what_ties_it() {
    let found = |files: &[(&str, &str)]| {
        let uses = uses(&tree_of_texts(files));
        circles(&uses).iter().map(|circle| drawn(circle, &uses, Path::new("src"))).collect::<Vec<_>>()
    };
    let root = ("src/lib.rs", "pub mod a; mod b; #[cfg(test)] mod tests; pub use a::A;");

    let by_use =
        [root, ("src/a.rs", "use crate::b::B; pub struct A;"), ("src/b.rs", "use super::a::{A}; struct B;")];
    assert_eq!(found(&by_use), ["a circle of 2 files\n      a.rs -> b.rs: B\n      b.rs -> a.rs: A"]);
    // By a path in the middle of code, through a module that was imported, a macro's argument, a re-export.
    for b in [
        "fn b() { crate::a::A::new(); }",
        "use super::a; fn b(x: Option<a::A>) {}",
        "fn b() { select! { _ = crate::a::run() => {} } }",
        "use crate::A; struct B;",
        "use crate::a::*;",
    ] {
        let files = [root, ("src/a.rs", "use crate::b; pub struct A(b::B);"), ("src/b.rs", b)];
        assert_eq!(found(&files).len(), 1, "{b}");
    }
    // A parent and its child.
    let child = ("src/a/c.rs", "pub(crate) struct C; impl C { fn c(_: &super::Shared) {} }");
    let parent = "mod c; use c::C; pub struct Shared; pub struct A(C);";
    assert_eq!(found(&[root, ("src/b.rs", ""), ("src/a.rs", parent), child]).len(), 1);
    let parent = "mod c; pub use c::C; pub struct Shared; pub struct A(C);";
    assert_eq!(found(&[root, ("src/b.rs", ""), ("src/a.rs", parent), child]).len(), 1);
    // Three in a ring.
    let ring = [
        ("src/lib.rs", "mod a; mod b; mod c;"),
        ("src/a.rs", "use crate::b::B; struct A;"),
        ("src/b.rs", "use crate::c::C; struct B;"),
        ("src/c.rs", "use crate::a::A; struct C;"),
    ];
    assert!(found(&ring)[0].starts_with("a circle of 3 files"));

    // No circle: one direction; comments and literals; tests; a name of elsewhere; a parent that hands on.
    for b in [
        "struct B;",
        "//! [`crate::a::A`]\n/// [`A`]: crate::a::A\nstruct B(&'static str); const X: &str = \"crate::a::A\";",
        "struct B; #[cfg(test)] mod tests { use crate::a::A; } #[cfg(test)] use crate::a::{A};",
        "use a::A; struct B;",
    ] {
        let files = [root, ("src/a.rs", "use crate::b::B; pub struct A;"), ("src/b.rs", b)];
        assert_eq!(found(&files), Vec::<String>::new(), "{b}");
    }
    let face = [
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", "mod c; mod d; pub use c::C; pub(crate) use d::D; pub struct Shared;"),
        ("src/a/c.rs", "pub struct C;"),
        ("src/a/d.rs", "use super::{C, Shared}; pub struct D(C, Shared);"),
    ];
    assert_eq!(found(&face), Vec::<String>::new());
}
