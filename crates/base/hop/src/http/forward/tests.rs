use hyper::header::HeaderName;
use proptest::prelude::*;

use super::*;

type Pairs<'a> = &'a [(&'static str, &'a str)];

fn headers(pairs: Pairs<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn left(pairs: Pairs<'_>) -> Vec<String> {
    let mut headers = headers(pairs);
    strip_hop_by_hop(&mut headers);
    headers.keys().map(ToString::to_string).collect()
}

#[test]
fn what_concerns_one_connection_ends_here() {
    let cases: [(Pairs<'_>, &[&str]); 6] = [
        (&[("accept", "*/*"), ("keep-alive", "5"), ("te", "trailers"), ("upgrade", "h2c")], &["accept"]),
        (&[("connection", "close"), ("accept", "*/*")], &["accept"]),
        (&[("connection", "x-one, X-Two ,"), ("x-one", "1"), ("x-two", "2"), ("x-three", "3")], &["x-three"]),
        (&[("connection", "x-one"), ("connection", "x-two"), ("x-one", "1"), ("x-two", "2")], &[]),
        (&[("transfer-encoding", "chunked"), ("content-type", "a/b")], &["content-type"]),
        (&[("connection", ", ;bad name, (x)"), ("accept", "*/*")], &["accept"]),
    ];
    for (before, after) in cases {
        assert_eq!(left(before), after, "{before:?}");
    }
}

#[test]
fn connection_cannot_take_away_what_is_meant_for_everyone() {
    for name in [
        "host",
        "content-length",
        "authorization",
        "cookie",
        "via",
        "forwarded",
        "traceparent",
        "tracestate",
        "idempotency-key",
        "x-forwarded-for",
        "x-forwarded-proto",
    ] {
        let kept = left(&[("connection", &name.to_uppercase()), (name, "1")]);
        assert_eq!(kept, [name]);
    }
}

fn via(client: &str, host: Option<&'static str>) -> Via<'static> {
    Via { client: client.parse().unwrap(), scheme: "https", host, version: Version::HTTP_2, by: "lb" }
}

#[test]
fn forwarded_after_rfc_7239() {
    let cases = [
        ("198.51.100.10:4711", Some("shop.test"), "for=198.51.100.10;proto=https;host=\"shop.test\""),
        ("[2001:db8::1]:4711", Some("shop.test"), "for=\"[2001:db8::1]\";proto=https;host=\"shop.test\""),
        ("[::ffff:198.51.100.10]:1", None, "for=198.51.100.10;proto=https"),
        (
            "198.51.100.10:1",
            Some(r#"a";for=10.0.0.1;x="\"#),
            r#"for=198.51.100.10;proto=https;host="a\";for=10.0.0.1;x=\"\\""#,
        ),
    ];
    for (client, host, expected) in cases {
        let mut headers = HeaderMap::new();
        at_the_edge(&mut headers, &via(client, host));
        assert_eq!(headers["forwarded"], expected);
        assert_eq!(headers["via"], "2.0 lb");
        assert_eq!(headers.contains_key("x-forwarded-host"), host.is_some());
    }
}

#[test]
fn the_edge_believes_no_claims_and_the_inside_appends() {
    let mut headers = headers(&[
        ("forwarded", "for=1.1.1.1"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-for", "2.2.2.2"),
        ("x-forwarded-port", "1"),
        ("x-real-ip", "1.1.1.1"),
        ("via", "1.0 cache"),
    ]);
    at_the_edge(&mut headers, &via("198.51.100.10:1", Some("shop.test")));
    inside(&mut headers, &Via { version: Version::HTTP_11, by: "ingress", ..via("10.0.0.1:2", None) });
    assert_eq!(headers["x-forwarded-for"], "198.51.100.10, 10.0.0.1");
    assert_eq!(headers["via"], "1.0 cache, 2.0 lb, 1.1 ingress");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert!(!headers.contains_key("x-forwarded-port") && !headers.contains_key("x-real-ip"));
    assert!(!headers["forwarded"].to_str().unwrap().contains("1.1.1.1"));
}

proptest! {
    #[test]
    fn whatever_connection_names_host_stays_and_the_rest_of_it_goes(
        options in proptest::collection::vec("[ -~]{0,12}", 0..8)
    ) {
        let value = options.join(",");
        let Ok(value) = HeaderValue::from_str(&value) else { return Ok(()) };
        let mut headers = headers(&[("host", "shop.test"), ("content-length", "3"), ("x-other", "1")]);
        headers.append(header::CONNECTION, value.clone());
        strip_hop_by_hop(&mut headers);
        prop_assert!(headers.contains_key("host") && headers.contains_key("content-length"));
        prop_assert!(!headers.contains_key("connection"));
        let named = value.to_str().unwrap().split(',').any(|option| option.trim().eq_ignore_ascii_case("x-other"));
        prop_assert_eq!(headers.contains_key("x-other"), !named);
    }

    #[test]
    fn no_host_breaks_out_of_its_quotes(host in "[ -~]{0,40}") {
        let mut headers = HeaderMap::new();
        let client = "198.51.100.10:1".parse().unwrap();
        let via = Via { client, scheme: "https", host: Some(&host), version: Version::HTTP_11, by: "lb" };
        at_the_edge(&mut headers, &via);
        let value = headers["forwarded"].to_str().unwrap();
        let quoted = value.strip_prefix("for=198.51.100.10;proto=https;host=\"").unwrap();
        let mut text = String::new();
        let mut rest = quoted.chars();
        loop {
            match rest.next().unwrap() {
                '"' => break,
                '\\' => text.push(rest.next().unwrap()),
                other => text.push(other),
            }
        }
        prop_assert_eq!((text.as_str(), rest.as_str()), (host.as_str(), ""));
    }
}
