use roxmltree::{Document, Node};

use super::*;

/// What the schemas in common use (Ant's, Jenkins', Surefire's) agree on.
fn check(xml: &str) -> Result<(), String> {
    let document = Document::parse(xml).map_err(|error| error.to_string())?;
    let suites = document.root_element();
    let suite = suites.children().find(Node::is_element).ok_or("no testsuite")?;
    let named = |node: Node<'_, '_>, name: &str| {
        node.has_tag_name(name).then_some(()).ok_or_else(|| format!("expected {name}: {node:?}"))
    };
    named(suites, "testsuites")?;
    named(suite, "testsuite")?;
    let cases: Vec<Node<'_, '_>> = suite.children().filter(|node| node.has_tag_name("testcase")).collect();
    let outcomes = |kind: &str| {
        cases.iter().filter(|case| case.children().any(|child| child.has_tag_name(kind))).count()
    };
    for (attribute, count) in [
        ("tests", cases.len()),
        ("failures", outcomes("failure")),
        ("errors", outcomes("error")),
        ("skipped", outcomes("skipped")),
    ] {
        for node in [suites, suite] {
            let said = node.attribute(attribute).ok_or_else(|| format!("no {attribute}"))?;
            if said.parse() != Ok(count) {
                return Err(format!("{attribute} is {said}, there are {count}"));
            }
        }
    }
    for attribute in ["name", "timestamp", "hostname", "time"] {
        suite.attribute(attribute).ok_or_else(|| format!("testsuite has no {attribute}"))?;
    }
    for case in &cases {
        for attribute in ["name", "classname"] {
            case.attribute(attribute).ok_or_else(|| format!("testcase has no {attribute}"))?;
        }
        case.attribute("time").and_then(|time| time.parse::<f64>().ok()).ok_or("a testcase has no time")?;
        for child in case.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "failure" | "error" | "skipped" => {
                    child.attribute("message").ok_or("an outcome has no message")?;
                }
                "system-out" => {}
                other => return Err(format!("testcase has a {other}")),
            }
        }
    }
    Ok(())
}

fn case(name: &str, ended: Ended) -> Case {
    Case { name: name.to_owned(), seconds: 0.001_25, ended }
}

#[test]
fn an_independent_reader_finds_what_was_written() {
    let nasty = "over: 5 < 6 & \"7\" > '8'\nnext\u{1b}[0m";
    let cases = [
        case("dns", Ended::Passed("fine".to_owned())),
        case("cart-pod-<1>", Ended::Failed(nasty.to_owned())),
        case("total", Ended::Skipped("too few".to_owned())),
        case("lb", Ended::Error("no answer".to_owned())),
    ];
    let xml = report(&cases, &[("build", "debug \"x\"".to_owned())], 1_709_210_096_000_000_000);
    check(&xml).unwrap_or_else(|error| panic!("{error}\n{xml}"));
    let document = Document::parse(&xml).expect("it parses");
    let find = |name: &str| {
        document
            .descendants()
            .find(|node| node.has_tag_name("testcase") && node.attribute("name") == Some(name))
    };
    let failed = find("cart-pod-<1>").and_then(|case| case.first_element_child()).expect("an outcome");
    assert_eq!(failed.attribute("message"), Some(nasty.replace('\u{1b}', "?").as_str()));
    assert_eq!(find("dns").and_then(|case| case.attribute("time")), Some("0.001250"));
    let suite = document.root_element().first_element_child().expect("a suite");
    assert_eq!(suite.attribute("timestamp"), Some("2024-02-29T12:34:56"));
    let property = document.descendants().find(|node| node.has_tag_name("property")).expect("a property");
    assert_eq!(property.attribute("value"), Some("debug \"x\""));
}

#[test]
fn the_check_sees_what_is_wrong() {
    let xml = report(&[case("dns", Ended::Failed("over".to_owned()))], &[], 0);
    check(&xml).expect("it is right");
    for (from, to) in [
        ("failures=\"1\"", "failures=\"0\""),
        ("tests=\"1\"", "tests=\"2\""),
        ("hostname=", "host="),
        ("classname=", "class="),
        ("message=", "text="),
        ("<failure", "<failed"),
        ("time=\"0.001250\">", "time=\"soon\">"),
    ] {
        assert!(xml.contains(from), "{from}");
        check(&xml.replace(from, to)).expect_err(to);
    }
}

#[test]
fn dates_are_those_of_the_calendar() {
    assert_eq!(timestamp(0), "1970-01-01T00:00:00");
    assert_eq!(timestamp(2_147_483_647), "2038-01-19T03:14:07");
    assert_eq!(timestamp(951_782_400), "2000-02-29T00:00:00");
    assert_eq!(timestamp(1_735_689_599), "2024-12-31T23:59:59");
    assert_eq!(timestamp(4_107_542_400), "2100-03-01T00:00:00");
}
