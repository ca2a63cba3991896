use clap::Parser as _;

use super::*;

fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
    let needed = ["lb", "--tls-cert", "c.pem", "--tls-key", "k.pem"];
    Settings::try_parse_from(needed.iter().chain(flags).copied())
}

#[test]
fn wrong_settings_are_refused_with_what_was_expected() {
    let upstreams = ["--upstreams", "127.0.0.1:1"];
    for (flags, said) in [
        (vec![], "--upstreams"),
        (vec!["--upstreams", "ingress:80"], "ingress:80"),
        ([&upstreams[..], &["--balance", "fastest"]].concat(), "least-connections"),
        ([&upstreams[..], &["--health-path", "healthz"]].concat(), "expected a path"),
        ([&upstreams[..], &["--health-interval-ms", "0"]].concat(), "from 1 on"),
        ([&upstreams[..], &["--max-head", "100"]].concat(), "8192"),
    ] {
        let error = parse(&flags).unwrap_err().to_string();
        assert!(error.contains(said), "{flags:?} said {error}");
    }
}

#[test]
fn the_defaults_are_the_chapters() {
    let settings = parse(&["--upstreams", "127.0.0.1:1,127.0.0.1:2"]).unwrap();
    assert_eq!(settings.upstreams.len(), 2);
    assert_eq!(settings.balance, Policy::LeastConnections);
    assert_eq!(settings.max_body, 1 << 20);
    assert_eq!((settings.server.max_head, settings.client.response_timeout.as_secs()), (64 << 10, 20));
}
