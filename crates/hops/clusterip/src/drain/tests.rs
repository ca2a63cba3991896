use super::*;

#[test]
fn the_silence_that_is_enough_gets_shorter() {
    let at = |ms| enough(FIRST_QUIET, Duration::from_millis(ms), Duration::from_secs(2)).as_millis();
    assert_eq!([at(0), at(500), at(998), at(1000), at(5000)], [250, 125, 2, 2, 2]);
    assert_eq!(enough(FIRST_QUIET, Duration::ZERO, Duration::ZERO), FIRST_QUIET);
    assert_eq!(enough(UNUSED_QUIET, Duration::from_millis(1), Duration::ZERO), LAST_QUIET);
}
