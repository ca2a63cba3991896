use super::*;

#[test]
fn the_same_trouble_is_said_once_a_minute() {
    let mut trouble = Trouble::default();
    let mut said = 0;
    for _ in 0..120 {
        trouble.of("CART-alice".to_owned(), "WRONGTYPE".to_owned());
        trouble.log();
        said += u32::from(trouble.rounds == 0);
    }
    assert_eq!(said, 2);
    trouble.log();
    assert!(trouble.said.is_empty(), "it is over");
}

#[test]
fn a_round_that_fails_again_and_again_is_said() {
    let mut trouble = Trouble::default();
    let said = |trouble: &Trouble| trouble.unfinished % REPEAT_AFTER == PATIENCE;
    let mut times = 0;
    for _ in 0..120 {
        trouble.round(Err("WRONGTYPE".to_owned()));
        times += u32::from(said(&trouble));
    }
    assert_eq!(times, 2);
    trouble.round(Ok(()));
    assert_eq!(trouble.unfinished, 0);
}
