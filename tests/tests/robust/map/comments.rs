//! Comments say what the code does not: none that only repeats a name, none that says that there is nothing to say.

use std::path::PathBuf;

use super::{Breach, Package, every_file, shown, text_of};

/// Words that add nothing to the name that they stand with.
const EMPTY: [&str; 21] = [
    "a", "an", "the", "its", "this", "that", "of", "and", "to", "is", "it", "for", "in", "which", "what",
    "who", "whose", "how", "many", "are", "one",
];

pub(super) fn breaches(package: &Package) -> Vec<Breach> {
    let files =
        every_file(&package.folder.join("src")).into_iter().chain(every_file(&package.folder.join("tests")));
    let of_file = |file: PathBuf| {
        let says = |line: String| Breach::new(&package.name, format!("{}: {line}", shown(&file)));
        empty(&text_of(&file)).into_iter().map(says).collect::<Vec<_>>()
    };
    files.flat_map(of_file).collect()
}

/// Comments of one line that say nothing, each with what it stands above.
fn empty(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(comment) = line.strip_prefix("///").or(line.strip_prefix("//!")).or(line.strip_prefix("//"))
        else {
            continue;
        };
        let alone = at == 0 || !lines[at - 1].starts_with("//");
        let below = lines[at + 1..].iter().find(|line| !line.starts_with("#[")).copied().unwrap_or_default();
        let repeats = alone && !below.starts_with("//") && repeats(comment, below);
        if repeats || comment.contains("None so far") {
            found.push(format!("\"{line}\" above \"{below}\""));
        }
    }
    found
}

/// No word of the comment is more than the item's name.
fn repeats(comment: &str, item: &str) -> bool {
    let item = item.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
    let name = words(item.split(['(', ':', '=', '{', '<', ';', ',']).next().unwrap_or_default());
    let said = words(comment);
    let known = |word: &String| {
        EMPTY.contains(&word.as_str())
            || name.iter().any(|of| of.trim_end_matches('s') == word.trim_end_matches('s'))
    };
    // Code between backticks is how the name is spelt elsewhere.
    !said.is_empty() && !comment.contains('`') && said.iter().all(known)
}

fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in text.chars() {
        if !letter.is_alphanumeric() || letter.is_uppercase() {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("a word").extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn a_comment_that_says_nothing_is_found() {
    for text in [
        "/// Which.\nWho(String),",
        "/// Of what.\npub kind: Kind,",
        "/// The name.\npub name: String,",
        "/// Its flow.\n#[serde(skip)]\npub flow: Flow,",
        "/// The ports of the upstream.\npub(crate) upstream_ports: Vec<u16>,",
        "/// # Errors\n/// None so far.\nfn f() {}",
    ] {
        assert_eq!(empty(text).len(), 1, "{text}");
    }
    for text in [
        "/// In milliseconds.\npub name: String,",
        "/// The name, as typed.\npub name: String,",
        "/// The name\n/// as typed.\npub name: String,",
        "// ---\nlet name = 1;",
    ] {
        assert_eq!(empty(text), Vec::<String>::new(), "{text}");
    }
}
