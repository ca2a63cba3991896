use super::{Producers, Verdict};
use crate::batch::{Batch, BatchHeader};
use crate::limits::MAX_PRODUCERS;
use crate::testing::batch;

/// A batch of `count` records whose first has this sequence number.
fn sent(producer: i64, epoch: i16, sequence: i32, count: i32, offset: i64) -> BatchHeader {
    BatchHeader {
        producer_id: producer,
        producer_epoch: epoch,
        base_sequence: sequence,
        last_offset_delta: count - 1,
        base_offset: offset,
        ..Batch::check(batch(&["a"])).expect("sound").header
    }
}

fn after(batches: &[BatchHeader]) -> Producers {
    let mut producers = Producers::default();
    for header in batches {
        assert_eq!(producers.check(header), Verdict::Next, "{header:?}");
        producers.note(header);
    }
    producers
}

#[test]
fn a_repetition_is_known_a_gap_is_refused_the_next_is_taken() {
    let producers = after(&[sent(1, 0, 0, 3, 10), sent(1, 0, 3, 2, 13)]);
    assert_eq!(producers.check(&sent(1, 0, 0, 3, 99)), Verdict::Duplicate(10));
    assert_eq!(producers.check(&sent(1, 0, 3, 2, 99)), Verdict::Duplicate(13));
    assert_eq!(producers.check(&sent(1, 0, 5, 1, 99)), Verdict::Next);
    assert_eq!(producers.check(&sent(1, 0, 6, 1, 99)), Verdict::OutOfOrder);
    // The same beginning, another end: neither a repetition nor the next.
    assert_eq!(producers.check(&sent(1, 0, 3, 1, 99)), Verdict::OutOfOrder);
    assert_eq!(producers.check(&sent(2, 0, 40, 1, 99)), Verdict::Next, "an unknown producer may go on");
    assert_eq!(producers.check(&sent(-1, -1, -1, 1, 99)), Verdict::Next, "not idempotent");
}

#[test]
fn five_batches_are_remembered() {
    let batches: Vec<_> = (0..6).map(|n| sent(1, 0, n, 1, i64::from(n))).collect();
    let producers = after(&batches);
    assert_eq!(producers.check(&batches[0]), Verdict::OutOfOrder);
    assert_eq!(producers.check(&batches[1]), Verdict::Duplicate(1));
}

#[test]
fn sequence_numbers_wrap() {
    let producers = after(&[sent(1, 0, i32::MAX - 1, 2, 0)]);
    assert_eq!(producers.check(&sent(1, 0, 0, 1, 2)), Verdict::Next);
}

#[test]
fn a_later_life_fences_the_earlier_and_starts_at_zero() {
    let mut producers = after(&[sent(1, 0, 0, 1, 0)]);
    assert_eq!(producers.check(&sent(1, 1, 1, 1, 1)), Verdict::OutOfOrder);
    let reborn = sent(1, 1, 0, 1, 1);
    assert_eq!(producers.check(&reborn), Verdict::Next);
    producers.note(&reborn);
    assert_eq!(producers.check(&sent(1, 0, 1, 1, 2)), Verdict::Fenced);
}

#[test]
fn a_rollback_undoes_all_since_the_commit_and_nothing_else() {
    let mut producers = after(&[sent(1, 0, 0, 1, 0)]);
    producers.commit();
    for header in [sent(1, 0, 1, 1, 1), sent(1, 0, 2, 1, 2), sent(2, 0, 0, 1, 3)] {
        producers.note(&header);
    }
    producers.rollback();
    assert_eq!(producers.check(&sent(1, 0, 0, 1, 0)), Verdict::Duplicate(0));
    assert_eq!(producers.check(&sent(1, 0, 1, 1, 1)), Verdict::Next);
    assert_eq!(producers.check(&sent(2, 0, 0, 1, 1)), Verdict::Next);
}

#[test]
fn those_who_wrote_longest_ago_are_forgotten() {
    let mut producers = Producers::default();
    for id in 0..=i64::try_from(MAX_PRODUCERS).expect("fits") {
        producers.note(&sent(id, 0, 0, 1, id));
        producers.commit();
    }
    assert!(producers.known.len() <= MAX_PRODUCERS);
    assert!(!producers.known.contains_key(&0));
    assert_eq!(producers.check(&sent(10_000, 0, 0, 1, 0)), Verdict::Duplicate(10_000));
}
