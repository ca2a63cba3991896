use proptest::prelude::*;

use super::{ProductId, parse};

/// The status and the field of the problem with a body.
fn refused(body: &str) -> Option<(u16, Option<String>)> {
    parse(body.as_bytes()).err().map(|problem| (problem.status, problem.field))
}

#[test]
fn the_books_request_is_understood() {
    let wanted = parse(br#"{"productId":"PROD-123","quantity":1}"#).expect("the book's request");
    assert_eq!((wanted.product.as_str(), wanted.quantity), ("PROD-123", 1));
    assert_eq!(wanted.product.item_id(), "ITEM-123");
}

#[test]
fn members_from_the_future_are_ignored() {
    assert_eq!(refused(r#"{"gift":{"wrap":true},"quantity":99,"productId":"PROD-a9Z"}"#), None);
}

#[test]
fn each_mistake_is_named() {
    let product = Some((422, Some("productId".to_owned())));
    let quantity = Some((422, Some("quantity".to_owned())));
    let long = format!(r#"{{"productId":"PROD-{}","quantity":1}}"#, "x".repeat(33));
    for (body, expected) in [
        ("", Some((400, None))),
        ("{", Some((400, None))),
        (r#"{"productId":"PROD-1","quantity":1}x"#, Some((400, None))),
        ("{'productId':1}", Some((400, None))),
        ("[]", Some((422, None))),
        ("null", Some((422, None))),
        ("{}", product.clone()),
        (r#"{"quantity":1}"#, product.clone()),
        (r#"{"productId":null,"quantity":1}"#, product.clone()),
        (r#"{"productId":123,"quantity":1}"#, product.clone()),
        (r#"{"productId":"prod-123","quantity":1}"#, product.clone()),
        (r#"{"productId":"PROD-","quantity":1}"#, product.clone()),
        (r#"{"productId":"PROD-1/2","quantity":1}"#, product.clone()),
        (r#"{"productId":"PROD-ä","quantity":1}"#, product.clone()),
        (r#"{"productId":"PROD-1 ","quantity":1}"#, product.clone()),
        (&long, product),
        (r#"{"productId":"PROD-1"}"#, quantity.clone()),
        (r#"{"productId":"PROD-1","quantity":0}"#, quantity.clone()),
        (r#"{"productId":"PROD-1","quantity":100}"#, quantity.clone()),
        (r#"{"productId":"PROD-1","quantity":-1}"#, quantity.clone()),
        (r#"{"productId":"PROD-1","quantity":1.5}"#, quantity.clone()),
        (r#"{"productId":"PROD-1","quantity":"1"}"#, quantity.clone()),
        (r#"{"productId":"PROD-1","quantity":1e30}"#, quantity),
    ] {
        assert_eq!(refused(body), expected, "{body}");
    }
}

#[test]
fn a_syntax_error_says_where() {
    let problem = parse(b"{\n  \"productId\": PROD-1\n}").expect_err("not JSON");
    assert!(problem.detail.contains("line 2 column 16"), "{}", problem.detail);
}

#[test]
fn items_name_their_products() {
    assert_eq!(ProductId::of_item("ITEM-123"), ProductId::parse("PROD-123"));
    for wrong in ["ITEM-", "PROD-123", "ITEM-1/2", "123", ""] {
        assert_eq!(ProductId::of_item(wrong), None, "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body: Vec<u8>) {
        let _ = parse(&body);
    }

    #[test]
    fn what_is_accepted_is_within_its_bounds(product in "(PROD-)?[A-Za-z0-9-]{0,40}", quantity in -200i64..200) {
        let body = serde_json::json!({"productId": product, "quantity": quantity}).to_string();
        let expected = product.strip_prefix("PROD-").is_some_and(|suffix| {
            (1..=32).contains(&suffix.len()) && suffix.chars().all(|c| c.is_ascii_alphanumeric())
        }) && (1..=99).contains(&quantity);
        prop_assert_eq!(parse(body.as_bytes()).is_ok(), expected);
    }
}
