use super::*;

#[test]
fn the_first_time_counts() {
    let mut deduplicator = Deduplicator::default();
    let seen = ["a", "b", "a", "a", "c", "b"].map(|id| deduplicator.first(id));
    assert_eq!(seen, [true, true, false, false, true, false]);
}

#[test]
fn memory_is_bounded_and_what_is_seen_again_stays() {
    let mut deduplicator = Deduplicator::default();
    assert!(deduplicator.first("kept") && deduplicator.first("dropped"));
    for number in 0..5 * REMEMBERED {
        assert!(deduplicator.first(&number.to_string()));
        if number % (REMEMBERED / 2) == 0 {
            assert!(!deduplicator.first("kept"), "{number}");
        }
        assert!(deduplicator.young.len() + deduplicator.old.len() <= 2 * REMEMBERED);
    }
    assert!(deduplicator.first("dropped"), "so much later, nobody remembers");
    assert!(!deduplicator.first(&(4 * REMEMBERED + 1).to_string()), "the last 100,000 are remembered");
}
