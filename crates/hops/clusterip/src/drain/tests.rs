use super::*;

#[test]
fn the_silence_that_is_enough_gets_shorter() {
    let at = |ms| enough(Duration::from_millis(ms), Duration::from_secs(2)).as_millis();
    assert_eq!([at(0), at(500), at(990), at(1000), at(5000)], [50, 25, 2, 2, 2]);
    assert_eq!(enough(Duration::ZERO, Duration::ZERO), FIRST_QUIET);
    assert_eq!(enough(Duration::from_millis(1), Duration::ZERO), LAST_QUIET);
}
