use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers
}

fn trailer(mut headers: HeaderMap, possible: bool) -> Option<String> {
    announce_in_response(&mut headers, possible);
    let value = headers.get(header::TRAILER)?;
    Some(value.to_str().unwrap().to_owned())
}

#[test]
fn the_list_of_what_no_trailer_may_set_is_in_order() {
    assert!(FORBIDDEN.is_sorted());
}

#[test]
fn what_frames_routes_or_proves_something_is_no_trailer() {
    let before = headers(&[
        ("grpc-status", "0"),
        ("content-length", "5"),
        ("host", "evil.test"),
        ("authorization", "Bearer x"),
        ("x-forwarded-for", "1.1.1.1"),
        ("transfer-encoding", "chunked"),
        ("set-cookie", "a=b"),
    ]);
    let mut with_twin = before.clone();
    with_twin.insert(HeaderName::from_static("x_real_ip"), HeaderValue::from_static("1.1.1.1"));
    let kept = keep(with_twin, true);
    assert_eq!(kept.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["grpc-status"]);
    assert!(keep(before, false).is_empty());
}

#[test]
fn only_what_may_come_is_announced() {
    let cases = [
        (vec![("trailer", "grpc-status")], true, Some("grpc-status")),
        (vec![("trailer", "X-One, host"), ("trailer", "x-two")], true, Some("x-one, x-two")),
        (vec![("trailer", "host")], true, None),
        (vec![("trailer", "x-one")], false, None),
        (vec![("content-type", "application/grpc+proto")], true, Some(GRPC)),
        (vec![("content-type", "application/grpc")], false, None),
        (vec![("content-type", "application/json")], true, None),
    ];
    for (given, possible, expected) in cases {
        assert_eq!(trailer(headers(&given), possible).as_deref(), expected, "{given:?}");
    }
}

#[test]
fn trailers_are_taken_by_who_says_so() {
    let te = |value| headers(&[("te", value)]);
    assert!(accepted(Version::HTTP_11, &te("trailers")));
    assert!(accepted(Version::HTTP_11, &te("gzip;q=0.5, Trailers")));
    assert!(!accepted(Version::HTTP_11, &te("gzip")));
    assert!(!accepted(Version::HTTP_11, &HeaderMap::new()));
    assert!(!accepted(Version::HTTP_10, &te("trailers")));
    assert!(accepted(Version::HTTP_2, &HeaderMap::new()));
}

#[test]
fn how_long_a_body_is_stays_known() {
    let body = crate::http::full("five!");
    assert_eq!(pass(body, true).size_hint().exact(), Some(5));
    assert!(pass(crate::http::empty(), true).is_end_stream());
}
