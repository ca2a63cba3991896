use std::time::Duration;

use crate::config::RedisUrl;
use crate::testing::{exchange, run, scripted};

use super::*;

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
        let refusal = key(&headers(bad)).expect_err("refused");
        assert_eq!(
            (refusal.problem.status, refusal.problem.field.as_deref()),
            (400, Some("Idempotency-Key"))
        );
    }
}

#[test]
fn an_answer_is_the_same_again() {
    let answer = Answer { status: 201, location: Some("/cart/items/ITEM-1".into()), body: "{}".into() };
    let claim = Claim::new("k".into(), "POST x");
    assert_ne!(claim, Claim::new("k".into(), "POST x"), "each attempt is another one");
    let record: Record = serde_json::from_str(&claim.answered(&answer)).expect("a record");
    assert_eq!(record, Record { wanted: "POST x".into(), state: State::Answered(answer.clone()) });
    let response = answer.response();
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], "/cart/items/ITEM-1");
    assert_eq!(response.headers()["content-type"], "application/json");
}

const WANTED: &str = "POST /cart/items PROD-1 1";

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// Stakes a claim where Redis already has this record, and answers a takeover with `exec`.
fn stake(record: &Record, exec: &str) -> (Result<Claimed, Refusal>, Vec<String>) {
    run(async {
        let found = bulk(&text(record));
        let mut script = vec![format!("$-1\r\n{found}")];
        if !exec.is_empty() {
            script.extend([format!("+OK\r\n{found}"), format!("+OK\r\n+QUEUED\r\n{exec}")]);
        }
        let (address, server) = scripted(script).await;
        let url = RedisUrl { address, user: None, password: None, database: 0 };
        let redis = Redis::new(url, 1, Duration::from_secs(5));
        let (exchange, _) = exchange();
        let customer = Customer::parse("alice").expect("a name");
        let claimed = Claim::stake(&redis, &exchange, &customer, "k", WANTED).await;
        drop(redis);
        (claimed, server.await.expect("no panic"))
    })
}

fn problem(claimed: Result<Claimed, Refusal>) -> (u16, String) {
    let problem = claimed.expect_err("refused").problem;
    (problem.status, problem.kind)
}

#[test]
fn a_key_belongs_to_one_request_and_one_customer() {
    let in_progress = |until| State::InProgress { by: "someone".into(), until };
    let answer = Answer { status: 201, location: None, body: "{}".into() };

    let done = Record { wanted: WANTED.into(), state: State::Answered(answer.clone()) };
    let (claimed, asked) = stake(&done, "");
    assert_eq!(claimed.expect("an answer"), Claimed::Answered(answer));
    assert!(asked[0].contains("$19 idempotency:alice:k "), "{}", asked[0]);
    assert!(asked[0].contains("$2 NX $2 PX $8 86400000 "), "{}", asked[0]);

    let other = Record { wanted: "POST /cart/items PROD-1 2".into(), ..done };
    let (claimed, _) = stake(&other, "");
    assert_eq!(problem(claimed), (422, "urn:journey:problem:idempotency-key-reused".into()));

    let busy = Record { wanted: WANTED.into(), state: in_progress(u64::MAX) };
    let (claimed, _) = stake(&busy, "");
    assert_eq!(problem(claimed), (409, "urn:journey:problem:request-in-progress".into()));
}

#[test]
fn a_dead_attempt_is_taken_over_by_one() {
    let dead = Record { wanted: WANTED.into(), state: State::InProgress { by: "dead".into(), until: 1 } };
    let (claimed, asked) = stake(&dead, "*1\r\n+OK\r\n");
    assert!(matches!(claimed.expect("ours"), Claimed::Ours(_)));
    assert!(asked[1].starts_with("*2 $5 WATCH $19 idempotency:alice:k "), "{}", asked[1]);
    let (claimed, _) = stake(&dead, "*-1\r\n");
    assert_eq!(problem(claimed).0, 409, "another one was faster");
}
