use super::*;

#[test]
fn what_is_outside_is_told_what_was_expected() {
    assert_eq!(number(1_u16..)("65535"), Ok(65_535));
    for wrong in ["0", "65536", "-1", "1.5", "many", ""] {
        assert_eq!(number(1_u16..)(wrong), Err("expected a number from 1 on".to_owned()), "{wrong}");
    }
    assert_eq!(number(0.1..=3600.0)("0.1"), Ok(0.1));
    for wrong in ["0", "NaN", "3600.1", "inf"] {
        assert_eq!(number(0.1..=3600.0)(wrong), Err("expected a number from 0.1 to 3600".to_owned()));
    }
    assert_eq!(milliseconds(1..=300_000)("250"), Ok(Duration::from_millis(250)));
    assert!(milliseconds(1..)("0").is_err());
}
