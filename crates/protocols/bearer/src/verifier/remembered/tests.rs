use super::*;

fn proven() -> Proven {
    Proven { subject: "alice".into(), not_before: 10.0, expires: 20.5 }
}

#[test]
fn a_token_is_worth_something_in_its_time_only() {
    let remembered = Remembered::default();
    for (now, valid) in [(9, false), (10, true), (20, true), (21, false)] {
        remembered.add("token", proven());
        assert_eq!(remembered.subject("token", now).is_some(), valid, "at {now}");
        assert_eq!(remembered.0.lock().len(), usize::from(valid), "at {now}: forgotten when it is over");
    }
    assert_eq!(remembered.subject("Token", 15), None);
}

#[test]
fn memory_is_bounded() {
    let remembered = Remembered::default();
    remembered.add(&"x".repeat(LONGEST + 1), proven());
    assert_eq!(remembered.0.lock().len(), 0);
    (0..2 * TOKENS.get()).for_each(|number| remembered.add(&number.to_string(), proven()));
    assert_eq!(remembered.0.lock().len(), TOKENS.get());
}
