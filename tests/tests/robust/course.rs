//! docs/course: every chapter has its five parts, and the line that it wants changed is there. (.ci/smoke runs the
//! commands; .ci/changed makes the changes, in a copy.)

use std::fs;
use std::path::{Path, PathBuf};

/// The chapters, in the order in which a request meets the hops.
const CHAPTERS: [&str; 10] =
    ["browser", "resolver", "dns", "lb", "ingress", "clusterip", "cart", "inventory", "store", "events"];
/// What each chapter says, in this order.
const PARTS: [&str; 5] = ["## Read", "## Run", "## Change", "## See", "## Question"];

fn root() -> PathBuf {
    tests::program::root().expect("the workspace")
}

fn chapters() -> Vec<(PathBuf, String)> {
    let folder = root().join("docs/course");
    let file = |(number, name): (usize, &&str)| folder.join(format!("{number}-{name}.md"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, text)
    };
    CHAPTERS.iter().enumerate().map(file).map(read).collect()
}

/// A change that a chapter asks for: in which file, which lines, and what they become.
#[derive(Debug, PartialEq)]
struct Change<'a> {
    file: &'a str,
    old: Vec<&'a str>,
    new: Vec<&'a str>,
}

/// The `diff` blocks of a chapter; the last code before each names the file.
fn changes(text: &str) -> Vec<Change<'_>> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some((before, after)) = rest.split_once("```diff\n") {
        let (block, after) = after.split_once("```").expect("a block ends");
        let lines = |sign: char| block.lines().filter_map(move |line| line.strip_prefix(sign)).collect();
        let file = before.rsplit('`').nth(1).unwrap_or_default();
        found.push(Change { file, old: lines('-'), new: lines('+') });
        rest = after;
    }
    found
}

/// Why a change can't be made in a text, if so: the lines must stand there once, one after the other.
fn stands_not(change: &Change<'_>, text: &str) -> Option<String> {
    let old = change.old.join("\n") + "\n";
    match text.matches(&old).count() {
        _ if change.old.is_empty() || change.old == change.new => Some("it changes nothing".to_owned()),
        1 => None,
        times => Some(format!("{times} times in {}:\n{old}", change.file)),
    }
}

#[test]
fn every_chapter_has_its_five_parts() {
    for (path, text) in chapters() {
        let at = |part: &&str| {
            text.find(&format!("\n{part}\n")).unwrap_or_else(|| panic!("{}: no \"{part}\"", path.display()))
        };
        assert!(PARTS.iter().map(at).is_sorted(), "{}: the parts are in another order", path.display());
        for wanted in ["```sh\n", "```text\n", "<details>", "min"] {
            assert!(text.contains(wanted), "{}: no {wanted:?}", path.display());
        }
    }
    let mut there: Vec<PathBuf> = fs::read_dir(root().join("docs/course"))
        .expect("it")
        .map(|entry| entry.expect("it").path())
        .collect();
    there.retain(|path| !path.ends_with("README.md"));
    assert_eq!(there.len(), CHAPTERS.len(), "a chapter that no hop has: {there:?}");
}

#[test]
fn the_line_to_change_is_there() {
    for (path, text) in chapters() {
        let changes = changes(&text);
        assert_eq!(changes.len(), 1, "{}: one change", path.display());
        for change in changes {
            let file: &Path = change.file.as_ref();
            let source = fs::read_to_string(root().join(file));
            let source =
                source.unwrap_or_else(|error| panic!("{}: {}: {error}", path.display(), change.file));
            assert_eq!(stands_not(&change, &source), None, "{}", path.display());
        }
    }
}

#[test]
fn a_change_that_cannot_be_made_is_found() {
    let text = "In `crates/a.rs`, of `b`, change `a.rs`:\n\n```diff\n-old\n+new\n```\n\nend";
    let found = changes(text);
    assert_eq!(found, [Change { file: "a.rs", old: vec!["old"], new: vec!["new"] }]);
    assert_eq!(stands_not(&found[0], "new\nold\n"), None);
    for text in ["", "old", "old\nold\n", "  new\n"] {
        assert!(stands_not(&found[0], text).is_some(), "{text:?}");
    }
    let nothing = Change { file: "a.rs", old: vec!["same"], new: vec!["same"] };
    assert!(stands_not(&nothing, "same\n").is_some());
}
