use super::*;

#[test]
fn never_before_the_moment_and_late_once_is_not_late_twice() {
    let pacer = Pacer::of_this_thread();
    let begun = clock::monotonic();
    for step in 1..=20 {
        let moment = begun + Duration::from_micros(500) * step;
        let woken = if step % 2 == 0 { pacer.until(moment) } else { pacer.sleep_until(moment) };
        assert!(woken >= moment, "step {step} was {:?} early", moment - woken);
    }
    assert!(clock::since(begun) >= Duration::from_millis(10));
    // A moment that has passed holds nothing up.
    assert!(pacer.until(begun) >= begun && pacer.sleep_until(begun) >= begun);
}
