use proptest::prelude::*;

use super::*;

fn head(method: &str, key: bool) -> request::Parts {
    let builder = hyper::Request::builder().method(method);
    let builder = if key { builder.header("Idempotency-Key", "\"1\"") } else { builder };
    builder.body(()).unwrap().into_parts().0
}

#[test]
fn idempotent_methods_and_keys_make_it_safe() {
    for (method, key, safe) in [
        ("GET", false, true),
        ("HEAD", false, true),
        ("PUT", false, true),
        ("DELETE", false, true),
        ("OPTIONS", false, true),
        ("POST", false, false),
        ("PATCH", false, false),
        ("POST", true, true),
        ("UNKNOWN", false, false),
    ] {
        assert_eq!(is_safe(&head(method, key)), safe, "{method} {key}");
    }
}

proptest! {
    /// However requests and retries mix: never more retries than a share of the requests, plus the
    /// rate over the time (and its first second).
    #[test]
    fn the_budget_bounds_retries(steps in proptest::collection::vec((any::<bool>(), 0_u64..50), 1..400)) {
        let begun = hop::clock::monotonic();
        let mut now = begun;
        let mut budget = Budget::new(0.2, 10.0, begun);
        let (mut requests, mut retries) = (0.0, 0.0);
        for (is_request, milliseconds) in steps {
            now += Duration::from_millis(milliseconds);
            if is_request {
                budget.request();
                requests += 1.0;
            } else if budget.withdraw(now) {
                retries += 1.0;
            }
        }
        let seconds = now.duration_since(begun).as_secs_f64();
        prop_assert!(retries <= 0.2 * requests + 10.0 * (seconds + 1.0) + 1e-6);
    }
}

#[test]
fn an_empty_budget_fills_again() {
    let begun = hop::clock::monotonic();
    let mut budget = Budget::new(0.2, 10.0, begun);
    let spent = (0..100).filter(|_| budget.withdraw(begun)).count();
    assert_eq!(spent, 10);
    assert!(!budget.withdraw(begun));
    assert!(budget.withdraw(begun + Duration::from_millis(101)));
    (0..5).for_each(|_| budget.request());
    assert!(budget.withdraw(begun + Duration::from_millis(101)), "five requests earn a retry");
}
