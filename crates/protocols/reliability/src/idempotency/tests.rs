use redis_client::testing::scripted;

use super::*;
use crate::testing::client;

fn headers(values: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("idempotency-key", HeaderValue::from_str(value).expect("a value"));
    }
    headers
}

#[test]
fn a_key_is_a_string_with_or_without_its_quotes() {
    assert_eq!(key(&headers(&[])).expect("none"), None);
    for given in ["\"8e03978e-40d5\"", "8e03978e-40d5", " 8e03978e-40d5 "] {
        assert_eq!(key(&headers(&[given])).expect("a key").as_deref(), Some("8e03978e-40d5"), "{given}");
    }
    let long = "x".repeat(129);
    for bad in [&[""][..], &["\"\""], &["a b"], &["a\"b"], &["a\\\\b"], &[&long], &["a", "a"]] {
        let problem = key(&headers(bad)).expect_err("refused");
        assert_eq!((problem.status, problem.field.as_deref()), (400, Some("Idempotency-Key")));
    }
}

#[test]
fn a_response_is_the_same_again() {
    let saved = SavedResponse { status: 201, location: Some("/cart/items/ITEM-1".into()), body: "{}".into() };
    let claim = Claim::new("k".into(), "POST x");
    assert_ne!(claim, Claim::new("k".into(), "POST x"), "each attempt is another one");
    let record: Record = serde_json::from_str(&claim.responded(&saved)).expect("a record");
    assert_eq!(record, Record { fingerprint: "POST x".into(), state: State::Responded(saved.clone()) });
    let response = saved.response();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], "/cart/items/ITEM-1");
    assert_eq!(response.headers()["content-type"], "application/json");
}

const FINGERPRINT: &str = "POST /cart/items PROD-1 1";

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Claims a request where Redis already has this record, and replies to a takeover with `exec`.
async fn acquire(record: &Record, exec: &str) -> (Result<Claimed, Box<Problem>>, Vec<String>) {
    let found = bulk(&text(record));
    let mut script = vec![format!("$-1\r\n{found}")];
    if !exec.is_empty() {
        script.extend([format!("+OK\r\n{found}"), format!("+OK\r\n+QUEUED\r\n{exec}")]);
    }
    let (address, server) = scripted(script).await;
    let redis = client(address);
    let claimed = Claim::acquire(&redis, "alice", "k", FINGERPRINT).await;
    drop(redis);
    (claimed, server.await.expect("no panic"))
}

fn problem(claimed: Result<Claimed, Box<Problem>>) -> (u16, String) {
    let problem = claimed.expect_err("refused");
    (problem.status, problem.kind)
}

#[tokio::test]
async fn a_key_belongs_to_one_request_and_one_owner() {
    let in_progress = |until| State::InProgress { by: "someone".into(), until };
    let saved = SavedResponse { status: 201, location: None, body: "{}".into() };

    let done = Record { fingerprint: FINGERPRINT.into(), state: State::Responded(saved.clone()) };
    let (claimed, received) = acquire(&done, "").await;
    assert_eq!(claimed.expect("a response"), Claimed::Done(saved));
    assert!(received[0].contains("$19 idempotency:alice:k "), "{}", received[0]);
    assert!(received[0].contains("$2 NX $2 PX $8 86400000 "), "{}", received[0]);

    let other = Record { fingerprint: "POST /cart/items PROD-1 2".into(), ..done };
    let (claimed, _) = acquire(&other, "").await;
    assert_eq!(problem(claimed), (422, "urn:journey:problem:idempotency-key-reused".into()));

    let busy = Record { fingerprint: FINGERPRINT.into(), state: in_progress(u64::MAX) };
    let (claimed, _) = acquire(&busy, "").await;
    assert_eq!(problem(claimed), (409, "urn:journey:problem:request-in-progress".into()));
}

#[tokio::test]
async fn a_dead_attempt_is_taken_over_by_one() {
    let dead =
        Record { fingerprint: FINGERPRINT.into(), state: State::InProgress { by: "dead".into(), until: 1 } };
    let (claimed, received) = acquire(&dead, "*1\r\n+OK\r\n").await;
    assert!(matches!(claimed.expect("ours"), Claimed::Ours(_)));
    assert!(received[1].starts_with("*2 $5 WATCH $19 idempotency:alice:k "), "{}", received[1]);
    let (claimed, _) = acquire(&dead, "*-1\r\n").await;
    assert_eq!(problem(claimed).0, 409, "another one was faster");
}
