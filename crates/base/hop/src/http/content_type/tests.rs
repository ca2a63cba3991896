use super::*;

#[test]
fn parameters_and_case_say_nothing_and_nothing_is_not_json() {
    let headers = |value: &str| HeaderMap::from_iter([(header::CONTENT_TYPE, value.parse().unwrap())]);
    for good in
        ["application/json", "Application/JSON", "application/json; charset=utf-8", " application/json ;x"]
    {
        assert!(require(&headers(good), JSON).is_ok(), "{good}");
    }
    for wrong in [
        "",
        "text/plain",
        "application/problem+json",
        "application/jsonp",
        "application/json+x",
        ";application/json",
    ] {
        let problem = require(&headers(wrong), JSON).unwrap_err();
        assert_eq!((problem.status, problem.fault), (415, Fault::Client), "{wrong}");
    }
    assert!(!is(&HeaderMap::new(), JSON));
}
