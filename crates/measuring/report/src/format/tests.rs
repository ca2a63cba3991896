use super::*;

#[test]
fn times_are_milliseconds_to_the_microsecond() {
    assert_eq!(time(1_234_567), "1.235 ms");
}
