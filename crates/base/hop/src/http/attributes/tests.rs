use journey::{Kind, SpanId, TraceId};

use super::*;

#[test]
fn a_url_has_no_secrets() {
    let authority = "127.0.0.1:8080";
    assert_eq!(url("http", authority, "/cart?page=2"), "http://127.0.0.1:8080/cart?page=2");
    assert_eq!(url("https", "a.example", "/"), "https://a.example/");
    let signed = url("https", "a.example", "/file?sig=c2VjcmV0&page=2&access_token=abc&signal=1&sig");
    assert_eq!(
        signed,
        "https://a.example/file?sig=REDACTED&page=2&access_token=REDACTED&signal=1&sig=REDACTED"
    );
}

#[test]
fn what_is_not_registered_is_other() {
    let span = || Span::new(TraceId([1; 16]), SpanId([1; 8]), None, Kind::Client, "", (0, 0));
    let of = |method: &Method| client_request(span(), method, String::new(), String::new(), 80);
    let get = of(&Method::GET);
    assert_eq!(get.text(attribute::HTTP_REQUEST_METHOD), Some("GET"));
    assert_eq!(get.text(attribute::HTTP_REQUEST_METHOD_ORIGINAL), None);
    let purge = of(&Method::from_bytes(b"PURGE").unwrap());
    assert_eq!(purge.text(attribute::HTTP_REQUEST_METHOD), Some("_OTHER"));
    assert_eq!(purge.text(attribute::HTTP_REQUEST_METHOD_ORIGINAL), Some("PURGE"));
    // Methods are case-sensitive (RFC 9110 §9.1).
    assert_eq!(of(&Method::from_bytes(b"get").unwrap()).text(attribute::HTTP_REQUEST_METHOD), Some("_OTHER"));
}

#[test]
fn an_error_is_the_clients_for_a_client_and_the_servers_for_a_server() {
    let span = || Span::new(TraceId([1; 16]), SpanId([1; 8]), None, Kind::Client, "", (0, 0));
    let client = |status| client_response(span(), status).text(attribute::ERROR_TYPE).map(str::to_owned);
    let server = |status| server_response(status).any(|(key, _)| key == attribute::ERROR_TYPE);
    assert_eq!(client(StatusCode::CREATED), None);
    assert_eq!(client(StatusCode::NOT_FOUND).as_deref(), Some("404"));
    assert_eq!(client(StatusCode::BAD_GATEWAY).as_deref(), Some("502"));
    assert!(!server(StatusCode::CREATED) && !server(StatusCode::NOT_FOUND));
    assert!(server(StatusCode::BAD_GATEWAY));
}
