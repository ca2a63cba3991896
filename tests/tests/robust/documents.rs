//! What documents point to is there.

use std::path::{Path, PathBuf};

use lab::binaries::Binaries;
use lab::plan::Role;

use super::program;

/// Every text that a reader is led through.
fn documents() -> Vec<PathBuf> {
    let root = tests::program::root().expect("the workspace");
    let mut documents = vec![root.join("README.md"), root.join("certs/README.md")];
    for folder in ["docs", "docs/course"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder of documents");
        documents.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    documents.retain(|path| path.extension().is_some_and(|end| end == "md"));
    documents
}

/// The text without fenced blocks, where brackets are code.
fn prose(text: &str) -> String {
    let mut code = false;
    let keep = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    };
    text.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

/// The anchors that headings get on the usual code hosts.
fn anchors(text: &str) -> Vec<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    };
    headings.map(anchor).collect()
}

/// Words that begin like a path in this repository and stand for one file or folder.
fn paths(text: &str) -> Vec<&str> {
    let ends = |letter: char| letter.is_whitespace() || "`\"'()[]{}<>,;|*…".contains(letter);
    let words = text.split_inclusive(ends).filter_map(|word| {
        let path = word.trim_end_matches(ends);
        // `crates/*/*/src` and `target/lab/{NAME}` stand for many.
        let pattern = word.ends_with(['*', '{', '<', '…']);
        let path = path.trim_end_matches(['.', ':', '/']);
        let path = path.split("::").next().unwrap_or(path);
        let path = path.split('#').next().unwrap_or(path);
        (!pattern && !path.contains("...")).then_some(path)
    });
    words.filter(|word| ["crates/", "tests/", "docs/"].iter().any(|start| word.starts_with(start))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let Ok(text) = std::fs::read_to_string(&document) else {
            broken.push(lab::workspace::shown(&document));
            continue;
        };
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let to = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap_or(Path::new("")).join(path)
            };
            let there = to.exists();
            let heading = anchor.is_empty()
                || std::fs::read_to_string(&to)
                    .is_ok_and(|text| anchors(&text).iter().any(|it| it == anchor));
            if !there || !heading {
                broken.push(format!("{}: {link}", lab::workspace::shown(&document)));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere:\n  {}", broken.join("\n  "));
}

/// The README is a door, not the house.
#[test]
fn the_readme_is_short() {
    let root = tests::program::root().expect("the workspace");
    let lines = std::fs::read_to_string(root.join("README.md")).expect("README.md").lines().count();
    assert!(lines <= 120, "README.md has {lines} lines, more than 120");
}

#[test]
fn every_path_is_there() {
    let root = tests::program::root().expect("the workspace");
    let mut missing = Vec::new();
    for document in documents() {
        let Ok(text) = std::fs::read_to_string(&document) else {
            missing.push(lab::workspace::shown(&document));
            continue;
        };
        for path in paths(&text) {
            if !root.join(path).exists() {
                missing.push(format!("{}: {path}", lab::workspace::shown(&document)));
            }
        }
    }
    assert!(missing.is_empty(), "paths that are not there:\n  {}", missing.join("\n  "));
}

/// The fenced blocks of Rust, without their indentation.
fn rust(text: &str) -> Vec<String> {
    let blocks = text.split("```rust\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(block, _)| unindented(block)).collect()
}

fn unindented(code: &str) -> String {
    code.trim().lines().map(str::trim).collect::<Vec<_>>().join("\n")
}

/// The crates that the code names in its `use` lines.
fn used(code: &str) -> Vec<&str> {
    let roots = code.lines().filter_map(|line| line.trim().strip_prefix("use ")?.split(':').next());
    roots.filter(|root| !["std", "core", "super", "crate"].contains(root)).collect()
}

/// A block is a whole file of the suite, imports included, or a part of one. What has a test's attribute is meant to be
/// pasted, so it is whole, and needs no crate that the document does not tell to depend on.
#[test]
fn quoted_code_is_code_that_runs() {
    let root = tests::program::root().expect("the workspace");
    let file = |name| std::fs::read_to_string(root.join("crates/orchestration/lab/tests/suite").join(name));
    let (example, whole) =
        (file("example.rs").expect("the example"), file("whole.rs").expect("a whole file"));
    let (example, whole) = (unindented(&example), unindented(&whole));
    let (mut quoted, mut files) = (0, 0);
    for document in documents() {
        let text = std::fs::read_to_string(&document).expect("a document");
        let shown = lab::workspace::shown(&document);
        for block in rust(&text) {
            quoted += 1;
            if block.contains("::test]") {
                files += 1;
                assert!(
                    block == whole,
                    "{shown} has a test that is not lab/tests/suite/whole.rs as it is:\n{block}"
                );
                for name in used(&block) {
                    let told = text.lines().any(|line| line.starts_with(&format!("{name} = ")));
                    assert!(told, "{shown} does not tell to depend on {name}");
                }
            } else {
                assert!(
                    example.contains(&block) || whole.contains(&block),
                    "{shown} quotes what lab/tests/suite/example.rs has not:\n{block}"
                );
            }
        }
    }
    assert!(quoted >= 5 && files >= 1, "only {quoted} blocks were found, {files} of them whole");
}

#[test]
fn the_checks_see_what_is_wrong() {
    assert_eq!(used("use std::a;\nuse lab::{B, C};\n\nuse anyhow::D;"), ["lab", "anyhow"]);
    assert_eq!(rust("a\n```rust\n  let a = 1;\n    b();\n```\n```sh\nc\n```"), ["let a = 1;\nb();"]);
    assert_eq!(links("see [a](b.md#c \"d\"), `[x](y)`\n```\n[n](o)\n```\n[e](f)"), ["b.md#c", "y", "f"]);
    assert_eq!(
        anchors("# A *b*, c\n```\n# no\n```\n## The JSON form: `journey/1`"),
        ["a-b-c", "the-json-form-journey1"]
    );
    assert_eq!(
        paths(
            "in `crates/hops/lb/src/tls.rs`, crates/*/*/src, (docs/a.md#b). crates/orchestration/lab/src/{a}, x/crates/y"
        ),
        ["crates/hops/lb/src/tls.rs", "docs/a.md"]
    );
}

/// `` `lb --max-requests 4096` `` and the like in a text: the program, an option of it, and its value.
fn settings(text: &str) -> Vec<(&str, &str, &str)> {
    let code = text.split('`').skip(1).step_by(2).map(|code| code.split(' ').collect::<Vec<_>>());
    let settings = code.filter_map(|words| match words[..] {
        [program, option, value] if option.starts_with("--") => Some((program, option, value)),
        _ => None,
    });
    settings.collect()
}

/// What `--help` says of an option: the text from its line to the next option's.
fn help_of<'a>(help: &'a str, option: &str) -> Option<&'a str> {
    let begin = help.find(&format!("{option} <"))?;
    let rest = &help[begin..];
    Some(&rest[..rest[2..].find("--").map_or(rest.len(), |end| end + 2)])
}

#[tokio::test]
async fn the_limits_are_those_of_the_programs() {
    let root = tests::program::root().expect("the workspace");
    let text = std::fs::read_to_string(root.join("docs/limits.md")).expect("docs/limits.md");
    let (roles, mut wrong, mut count) = (Role::ALL, Vec::new(), 0);
    let programs = Binaries::ensure(&roles.into_iter().collect(), true).await.expect("the programs");
    for role in roles {
        let mut help = tokio::process::Command::new(programs.path(role));
        help.arg("--help");
        let help = program::end(help).await.code(0).stdout;
        for (_, option, value) in settings(&text).iter().filter(|(program, ..)| *program == role.as_str()) {
            count += 1;
            if !help_of(&help, option).is_some_and(|said| said.contains(&format!("[default: {value}]"))) {
                wrong.push(format!("{role} {option} {value}"));
            }
        }
    }
    // Fewer would mean that they are written in another way, and not looked at.
    assert!(count >= 30, "only {count} settings found in docs/limits.md");
    assert!(wrong.is_empty(), "docs/limits.md and --help differ: {wrong:#?}");
}

#[test]
fn a_setting_is_found_with_its_default() {
    assert_eq!(settings("a `lb --max-head 7` b `x` c"), [("lb", "--max-head", "7")]);
    let help = "  --a <N>  text [default: 1] [env: A=]\n  --ab <N>\n   text [default: 2]\n";
    assert!(help_of(help, "--ab").is_some_and(|said| said.contains("[default: 2]")));
    assert!(help_of(help, "--a").is_some_and(|said| !said.contains("[default: 2]")));
    assert_eq!(help_of(help, "--b"), None);
}
