//! Tests of the small pieces, and what the other tests share.

use bytes::Bytes;
use clap::Parser as _;

use crate::commands::{Facts, LogFacts};
use crate::config::Settings;
use crate::ordered::Ordered;
use crate::text::{glob, integer};

/// Facts for a store that exists only in a test.
pub(crate) fn facts() -> Facts {
    let arguments =
        ["store", "--data-dir", "unused", "--listen", "127.0.0.1:6379", "--appendfsync", "always"];
    Facts {
        started: 0,
        settings: Settings::try_parse_from(arguments).unwrap_or_else(|error| error.exit()),
        connections: std::sync::Arc::default(),
        accepted: std::sync::Arc::default(),
        commands: 0,
        blocked: std::sync::Arc::default(),
        log: LogFacts::default(),
    }
}

/// A command from words separated by spaces.
pub(crate) fn command(text: &str) -> Vec<&[u8]> {
    text.split(' ').map(str::as_bytes).collect()
}

#[test]
fn integers_are_canonical_or_nothing() {
    for good in [0, 7, -7, i64::MAX, i64::MIN] {
        assert_eq!(integer(good.to_string().as_bytes()), Some(good));
    }
    for bad in ["", "-", "-0", "+1", "01", "-01", " 1", "1 ", "1x", "9223372036854775808"] {
        assert_eq!(integer(bad.as_bytes()), None, "{bad:?}");
    }
}

#[test]
fn globs_match_as_redis_does() {
    let cases = [
        ("*", "", true),
        ("", "", true),
        ("", "a", false),
        ("h?llo", "hello", true),
        ("h?llo", "hllo", false),
        ("h*llo", "heeello", true),
        ("h[ae]llo", "hallo", true),
        ("h[^e]llo", "hello", false),
        ("h[a-c]llo", "hbllo", true),
        ("h[c-a]llo", "hbllo", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "axb", false),
        ("*a*b*c", "xxaxxbxxc", true),
        ("*a*b*c", "xxaxxcxxb", false),
        ("cart:*", "cart:1", true),
        ("[a", "a", true),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
    }
    // The pattern that takes exponential time in a naive matcher.
    let pattern = "a*".repeat(50) + "b";
    assert!(!glob(pattern.as_bytes(), "a".repeat(5000).as_bytes()));
}

#[test]
fn a_scan_sees_every_key_that_stays_exactly_once() {
    let mut map = Ordered::default();
    let name = |number: usize| Bytes::from(format!("key-{number}"));
    for number in 0..100 {
        map.insert(name(number), number);
    }
    let (mut cursor, mut seen, mut added) = (0, Vec::new(), 1000);
    loop {
        let (next, page) = map.scan(cursor, 7);
        seen.extend(page.into_iter().map(|(_, number)| *number));
        // Meanwhile others add keys and remove odd ones.
        for _ in 0..9 {
            map.insert(name(added), added);
            added += 1;
        }
        map.remove(&name(seen.len() % 50 * 2 + 1));
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    let mut even: Vec<_> = seen.iter().copied().filter(|number| number % 2 == 0).collect();
    even.sort_unstable();
    assert_eq!(even, (0..100).step_by(2).collect::<Vec<_>>());
    assert!(seen.iter().all(|number| *number < 100), "a scan ends although keys keep coming");
}
