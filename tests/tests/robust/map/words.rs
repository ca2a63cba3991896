//! The field's words: a name in code is one that somebody from HAProxy, Unbound, Redis, Kafka or OpenTelemetry knows.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};

use super::{Breach, Package, every_file, shown, text_of};

/// Words that were once private here, each with what the field says.
const PRIVATE: [(&str, &str); 16] = [
    ("ask", "send, request, query or probe"),
    ("asks", "sends, requests or queries"),
    ("asked", "sent, requested, queried or probed"),
    ("asking", "sending, requesting or querying"),
    ("asker", "client"),
    ("keeper", "what it is: supervisor, cache, registry"),
    ("lane", "connection, queue or track"),
    ("lanes", "connections, queues or tracks"),
    ("sift", "filter or partition"),
    ("grave", "tombstone"),
    ("graves", "tombstones"),
    ("theft", "steal time"),
    ("thefts", "steal time"),
    ("testimony", "reported stamps"),
    ("walker", "iterator or recursor"),
    ("walkers", "iterators or recursors"),
];
/// Names of types and files that stand for too much.
const TOO_WIDE: [&str; 8] =
    ["Answer", "Place", "Room", "Trip", "together.rs", "caused.rs", "made.rs", "relay.rs"];
/// What the field of a crate says by one of these: in DNS an answer is what a server has itself, and no referral.
const FIELD: [(&str, &str); 2] = [("dns", "Answer"), ("recursion", "Answer")];
/// A name of so many words is a sentence, as tests have them.
const SENTENCE: usize = 5;

pub(super) fn breaches(package: &Package) -> Vec<Breach> {
    let folders = ["src", "tests", "benches", "examples"].map(|name| package.folder.join(name));
    let mut breaches = Vec::new();
    for file in folders.iter().flat_map(|folder| every_file(folder)) {
        let known = |name: &String| FIELD.contains(&(&package.name, name));
        let found = private(&text_of(&file)).into_iter().filter(|(name, _)| !known(name));
        let found = found.map(|(name, times)| format!("{name} ({times})"));
        let name = file.file_name().and_then(|name| name.to_str()).filter(|name| TOO_WIDE.contains(name));
        let found: Vec<String> = found.chain(name.map(str::to_owned)).collect();
        if !found.is_empty() {
            breaches.push(Breach::new(&package.name, format!("{}: {}", shown(&file), found.join(", "))));
        }
    }
    breaches
}

/// The names in a source that are not the field's, each with how often it stands there.
fn private(text: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    let tokens: TokenStream = text.parse().expect("a source");
    collect(tokens, &mut names);
    names.retain(|name, _| {
        let words = words(name);
        let is_private = words.iter().any(|word| PRIVATE.iter().any(|(private, _)| private == word));
        TOO_WIDE.contains(&name.as_str()) || (is_private && words.len() < SENTENCE)
    });
    names
}

fn collect(tokens: TokenStream, names: &mut BTreeMap<String, usize>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => *names.entry(name.to_string()).or_default() += 1,
            TokenTree::Group(group) => collect(group.stream(), names),
            _ => {}
        }
    }
}

/// `AskAgain` and `ask_again` are "ask" and "again".
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut capital = false;
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && !capital) {
            words.push(String::new());
        }
        capital = letter.is_uppercase();
        if letter != '_' {
            words.last_mut().expect("a word").extend(letter.to_lowercase());
        }
    }
    words
}

#[test]
fn a_private_word_is_found() {
    for text in [
        "fn ask() {}",
        "struct AskedAt;",
        "mod a { const ASK_AGAIN: u8 = 0; }",
        "x!(first.asked)",
        "struct Place;",
    ] {
        assert_eq!(private(text).len(), 1, "{text}");
    }
    for text in [
        "// ask",
        "\"ask\"",
        "fn task() {}",
        "struct Mask; fn placed() { basket() }",
        "fn answer() {}",
        "fn who_knows_it_is_asked() {}",
    ] {
        assert_eq!(private(text).len(), 0, "{text}");
    }
}
