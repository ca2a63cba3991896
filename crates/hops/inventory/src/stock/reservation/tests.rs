use super::*;

#[test]
fn product_names_have_a_form() {
    for good in ["A", "PROD-123", "a.b_c-9", &"x".repeat(64)] {
        assert!(good.parse::<ProductId>().is_ok(), "{good:?}");
    }
    for bad in ["", "a b", "a/b", "a%20b", "ä", "a\0", "'; DROP TABLE stock", &"x".repeat(65)] {
        assert!(bad.parse::<ProductId>().is_err(), "{bad:?}");
    }
}
