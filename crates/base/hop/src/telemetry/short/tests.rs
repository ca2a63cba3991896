use super::*;

#[test]
fn what_is_short_lies_in_place_and_what_is_long_is_all_there() {
    assert_eq!(size_of::<Short>(), 40);
    for length in [0, 1, IN_PLACE - 1, IN_PLACE, IN_PLACE + 1, 255, 1000] {
        let text = "x".repeat(length);
        assert_eq!(Short::from(text.as_str()).as_str(), text);
    }
    assert_eq!(Short::new(b"\xff\0").as_bytes(), b"\xff\0");
    assert_eq!(Short::new(b"\xff\0").as_str(), "");
}
