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
