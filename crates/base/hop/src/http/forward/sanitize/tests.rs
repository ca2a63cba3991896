use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

fn left(names: &[&str]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for name in names {
        headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_static("1"));
    }
    remove(&mut headers);
    headers.keys().map(ToString::to_string).collect()
}

#[test]
fn every_claim_ends_in_every_spelling() {
    for name in [
        "Forwarded",
        "X-Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Prefix",
        "X-Forwarded-Ssl",
        "X-Forwarded-Scheme",
        "X-Forwarded-Server",
        "X-Forwarded-Client-Cert",
        "X-Forwarded-What-Nobody-Has-Thought-Of",
        "X-Real-IP",
        "X_Forwarded_For",
        "X_Forwarded-Proto",
        "x-forwarded_for",
        "x_real_ip",
        "x-real_ip",
        "X_Original-URL",
        "X-Rewrite-Url",
        "True-Client-IP",
        "CF_Connecting_IP",
        "Client-Cert",
        "client_cert_chain",
        "X-SSL-Client-Verify",
        "X-Envoy-Original-Path",
        "Proxy",
    ] {
        assert_eq!(left(&[name, "accept"]), ["accept"], "{name}");
    }
}

#[test]
fn no_other_spelling_of_what_frames_and_routes_a_message_passes() {
    for name in ["Transfer_Encoding", "content_length", "Proxy_Authorization", "idempotency_key"] {
        assert!(left(&[name]).is_empty(), "{name}");
    }
}

#[test]
fn what_is_between_the_client_and_the_service_stays() {
    let names = ["accept", "cdn-loop", "forwarded-by-me", "traceparent", "user_id", "via", "x-request-id"];
    let mut stayed = left(&names);
    stayed.sort();
    assert_eq!(stayed, names);
}

proptest! {
    #[test]
    fn dashes_and_underscores_are_one(mask in proptest::collection::vec(any::<bool>(), 2), tail in "[a-z0-9_-]{1,12}") {
        let mark = |under: bool| if under { '_' } else { '-' };
        let name = format!("x{}forwarded{}{tail}", mark(mask[0]), mark(mask[1]));
        prop_assert!(left(&[&name]).is_empty(), "{}", name);
    }
}

#[test]
fn no_name_begins_with_what_is_not_looked_up() {
    assert!(SPOOFABLE.iter().chain(&FAMILIES).all(|name| name.starts_with(INITIALS)));
}
