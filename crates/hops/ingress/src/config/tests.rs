use clap::Parser as _;

use super::*;

fn parse(flags: &[&str]) -> Result<Settings, clap::Error> {
    Settings::try_parse_from(std::iter::once("ingress").chain(flags.iter().copied()))
}

#[test]
fn rules_come_by_line_by_semicolon_and_by_repeated_flags() {
    let one = "api.myshop.com Prefix /cart cart=127.0.0.1:1";
    let two = "* Exact / shop=[::1]:2";
    let lines = format!("\n  {one}\n{two}\n");
    let semicolons = format!("{one}; {two};");
    for flags in [vec!["--rule", &lines], vec!["--rule", &semicolons], vec!["--rule", one, "--rule", two]] {
        assert_eq!(parse(&flags).unwrap().routes().unwrap().len(), 2, "{flags:?}");
    }
    assert!(parse(&[]).unwrap().routes().unwrap().is_empty());
}

#[test]
fn a_wrong_rule_is_refused_with_the_rule_the_word_and_what_was_expected() {
    for (rule, said) in [
        ("a.com Prefix /", "has 3 words: expected 4"),
        ("a.com Prefx / s=127.0.0.1:1", "\"Prefx\": expected Exact or Prefix"),
        ("a.com exact / s=127.0.0.1:1", "\"exact\": expected Exact or Prefix"),
        ("a.com:80 Exact / s=127.0.0.1:1", "\"a.com:80\": expected a DNS name"),
        ("*a.com Exact / s=127.0.0.1:1", "\"*a.com\": expected a DNS name"),
        ("a.*.com Exact / s=127.0.0.1:1", "\"a.*.com\": expected a DNS name"),
        ("a.com Exact cart s=127.0.0.1:1", "\"cart\": expected a plain path"),
        ("a.com Exact /a//b s=127.0.0.1:1", "expected a plain path"),
        ("a.com Exact /a/../b s=127.0.0.1:1", "expected a plain path"),
        ("a.com Exact /%61 s=127.0.0.1:1", "expected a plain path"),
        ("a.com Exact / 127.0.0.1:1", "\"127.0.0.1:1\": expected SERVICE=IP:PORT"),
        ("a.com Exact / s=pod:1", "\"s=pod:1\": expected SERVICE=IP:PORT"),
    ] {
        let error = parse(&["--rule", rule]).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains(rule), "{rule:?} said {error}");
    }
}

#[test]
fn rules_for_the_same_requests_are_refused() {
    let rules = "A.com Prefix /x one=127.0.0.1:1; a.com Prefix /x/ two=127.0.0.1:2";
    let error = parse(&["--rule", rules]).unwrap().routes().unwrap_err().to_string();
    assert!(error.contains("/x") && error.contains("one") && error.contains("two"), "{error}");
}
