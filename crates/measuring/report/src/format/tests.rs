use super::*;

#[test]
fn times_are_milliseconds_to_the_microsecond() {
    assert_eq!(time(1_234_567), "1.235 ms");
}

#[test]
fn bytes_that_nobody_counted_are_a_dash() {
    let said = |request_bytes, response_bytes| {
        counts(&Counts { request_bytes, response_bytes, ..Counts::default() })
    };
    assert!(said(Some(0), Some(812)).contains("bytes: 0 up, 812 down"));
    assert!(said(None, None).contains("bytes: – up, – down"));
}
