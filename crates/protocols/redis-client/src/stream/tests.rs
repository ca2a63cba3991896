use super::StreamId;

#[test]
fn ids_are_numbers_and_not_texts() {
    assert!(StreamId(2, 0) < StreamId(10, 0) && StreamId(10, 9) < StreamId(10, 10));
    assert_eq!(StreamId::parse("12-3"), Some(StreamId(12, 3)));
    assert_eq!(StreamId(12, 3).to_string(), "12-3");
    assert_eq!((StreamId::parse("12"), StreamId::parse("a-1")), (None, None));
    assert_eq!(StreamId(1, 2).next(), StreamId(1, 3));
    assert_eq!(StreamId(1, u64::MAX).next(), StreamId(2, 0));
}
