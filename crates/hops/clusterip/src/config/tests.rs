use clap::Parser as _;

use super::*;

fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
    Settings::try_parse_from(std::iter::once("clusterip").chain(flags.iter().copied()))
}

#[test]
fn endpoints_may_be_empty_spaced_and_many() {
    for (text, count) in [("", 0), (" ", 0), ("127.0.0.1:1", 1), ("127.0.0.1:1, [::1]:2,", 2)] {
        let settings = parse(&["--endpoints", text]).unwrap();
        assert_eq!(settings.endpoints.0.len(), count, "{text:?}");
    }
}

#[test]
fn wrong_settings_are_refused_with_the_reason() {
    for (flags, said) in [
        (["--endpoints", "127.0.0.1:1,pod"], "\"pod\": expected IP:PORT"),
        (["--endpoints", "127.0.0.1"], "expected IP:PORT"),
        (["--mode", "least"], "round-robin"),
        (["--affinity-seconds", "0"], "86400"),
        (["--max-connections", "0"], "0"),
        (["--connect-timeout-ms", "0"], "0"),
    ] {
        let error = parse(&flags).unwrap_err().to_string();
        assert!(error.contains(said), "{flags:?} said {error}");
    }
}

#[test]
fn the_defaults_are_those_of_kubernetes() {
    let settings = parse(&[]).unwrap();
    assert_eq!((settings.mode, settings.affinity_seconds), (Mode::Random, 10_800));
}
