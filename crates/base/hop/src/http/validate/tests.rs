use super::*;

fn head(version: Version, method: &str, target: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().version(version).method(method).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

/// The status and the kind of a refusal.
fn said(head: &Request<()>) -> (u16, String) {
    match check(head) {
        Ok(_) => (200, String::new()),
        Err(problem) => {
            assert_eq!(problem.fault, Fault::Client);
            (problem.status, problem.kind.rsplit(':').next().unwrap().to_owned())
        }
    }
}

#[test]
fn a_host_is_one_authority_with_a_port_that_can_be_one() {
    for (host, fine) in [
        ("a", true),
        ("a:80", true),
        ("a:", true),
        ("a:65535", true),
        ("[::1]", true),
        ("[::1]:80", true),
        ("a:abc", false),
        ("a:99999", false),
        ("a:-1", false),
        ("a:+80", false),
        ("a:8:0", false),
        ("[::1]:x", false),
        ("[::1]80", false),
        ("user@a", false),
        (":80", false),
        ("", false),
        ("a b", false),
        ("a/b", false),
        ("a, b", false),
    ] {
        let expected = if fine { (200, "".into()) } else { (400, "host-malformed".into()) };
        assert_eq!(said(&head(Version::HTTP_11, "GET", "/", &[("host", host)])), expected, "{host:?}");
    }
}

#[test]
fn what_no_hop_takes_has_a_rule() {
    let one = Version::HTTP_11;
    let host = ("host", "a");
    for (head, status, kind) in [
        (head(one, "GET", "/", &[]), 400, "host-missing"),
        (head(Version::HTTP_10, "GET", "/", &[]), 200, ""),
        (head(one, "GET", "/", &[host, ("host", "b")]), 400, "host-twice"),
        (head(one, "GET", "/", &[host, ("host", "a")]), 400, "host-twice"),
        (head(one, "GET", "http://b/", &[host]), 200, ""),
        (head(one, "GET", "http://b:99999/", &[host]), 400, "host-malformed"),
        (head(Version::HTTP_2, "GET", "https://b/", &[host]), 400, "host-contradicts"),
        (head(one, "GET", "ftp://a/", &[host]), 400, "scheme"),
        (head(one, "OPTIONS", "*", &[host]), 200, ""),
        (head(one, "GET", "*", &[host]), 400, "target"),
        (head(one, "TRACE", "/", &[host]), 405, "method-not-allowed"),
        (head(one, "CONNECT", "a:443", &[host]), 405, "method-not-allowed"),
        (head(one, "POST", "/", &[host, ("transfer-encoding", "Chunked")]), 200, ""),
        (head(one, "POST", "/", &[host, ("transfer-encoding", "gzip, chunked")]), 501, "transfer-coding"),
        (head(one, "POST", "/", &[host, ("transfer-encoding", "chunked;a=b")]), 501, "transfer-coding"),
        (head(one, "POST", "/", &[host, ("transfer-encoding", "chunked, chunked")]), 400, "chunked-twice"),
        (head(one, "POST", "/", &[host, ("expect", "100-Continue")]), 200, ""),
        (head(one, "POST", "/", &[host, ("expect", "a-pony")]), 417, "expectation"),
        (head(one, "POST", "/", &[host, ("expect", "100-continue, a-pony")]), 417, "expectation"),
        (head(Version::HTTP_10, "POST", "/", &[("expect", "a-pony")]), 200, ""),
    ] {
        assert_eq!(said(&head), (status, kind.into()), "{head:?}");
    }
}
