//! What a start makes of every kind of damage. In these tests the machine is not restarted unless they say so, so it
//! is known exactly what was acknowledged.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::damage::DIES_AT;
use crate::partition::acknowledged::after_a_restart_of_the_machine;
use crate::partition::tests::{append, edit, empty, everything, expected};
use crate::partition::{LOG_FILE, Partition, Rejected};
use crate::retention::Retention;
use crate::testing::{Sent, batch, records};

/// A closed log of three acknowledged batches of one record each.
fn three() -> (TempDir, usize) {
    let (folder, partition) = empty();
    append(&partition, &[batch(&["a"]), batch(&["b"])]);
    append(&partition, &[batch(&["c"])]);
    (folder, batch(&["a"]).len())
}

fn open(folder: &Path) -> Partition {
    Partition::open(folder, Retention::default()).expect("it starts")
}

/// All that can be read, from one segment after the other.
fn readable(partition: &Partition) -> Vec<(i64, String)> {
    let (mut all, mut offset) = (Vec::new(), partition.offsets().start);
    loop {
        let some = records(partition.read(offset, usize::MAX, true).expect("readable"));
        let Some((last, _)) = some.last() else { return all };
        offset = last + 1;
        all.extend(some);
    }
}

/// The files with bytes that were put aside, and these bytes.
fn aside(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.to_string_lossy().contains(".damaged-") || path.to_string_lossy().contains(".unfinished-")
        })
        .map(|path| {
            (path.file_name().expect("a name").to_string_lossy().into_owned(), fs::read(&path).expect("read"))
        })
        .collect();
    found.sort();
    found
}

/// Every class of byte: offset, length, leader epoch, format, checksum, attributes, last offset, timestamps, producer,
/// sequence, number of records, records. Zero for what nothing depends on.
#[test]
fn a_changed_byte_costs_its_batch_and_nothing_else() {
    let (_, one) = three();
    for damaged in 0..3 {
        for at in (0..one).filter(|at| !(12..16).contains(at)) {
            for flip in [0x01, 0x80] {
                let (folder, _) = three();
                edit(folder.path(), |bytes| bytes[damaged * one + at] ^= flip);
                let before = fs::read(folder.path().join(LOG_FILE)).expect("read");
                let context = format!("batch {damaged}, byte {at}, flip {flip:#x}");
                let mut left = expected(&["a", "b", "c"]);
                left.remove(damaged);
                // The second start finds what the first one left.
                for _ in 0..2 {
                    let partition = open(folder.path());
                    assert_eq!(readable(&partition), left, "{context}");
                    assert_eq!(partition.offsets(), 0..3, "{context}");
                }
                let name = format!("00000000000000000000.damaged-{}", damaged * one);
                let bytes = before[damaged * one..(damaged + 1) * one].to_vec();
                assert_eq!(aside(folder.path()), [(name, bytes)], "{context}");
                let partition = open(folder.path());
                assert_eq!(append(&partition, &[batch(&["d"])]), [Ok(3)], "{context}");
                left.push((3, "d".to_owned()));
                assert_eq!(readable(&partition), left, "{context}");
            }
        }
    }
}

#[test]
fn wherever_the_file_is_cut_no_acknowledged_offset_is_given_again_and_no_byte_is_lost() {
    let (_, one) = three();
    for left in 0..3 * one {
        let (folder, _) = three();
        let whole = fs::read(folder.path().join(LOG_FILE)).expect("read");
        edit(folder.path(), |bytes| bytes.truncate(left));
        let partition = open(folder.path());
        let sound = left / one;
        assert_eq!(readable(&partition), expected(&["a", "b", "c"][..sound]), "{left} bytes were left");
        assert_eq!(append(&partition, &[batch(&["d"])]), [Ok(3)], "{left} bytes were left");
        let kept: Vec<u8> = aside(folder.path()).into_iter().flat_map(|(_, bytes)| bytes).collect();
        assert_eq!(kept, whole[sound * one..left], "{left} bytes were left");
        drop(partition);
        assert_eq!(
            readable(&open(folder.path())).last(),
            Some(&(3, "d".to_owned())),
            "{left} bytes were left"
        );
    }
}

#[test]
fn a_write_that_never_ended_is_put_aside_and_its_offset_given_again() {
    let (_, one) = three();
    let mut next = batch(&["never acknowledged"]).to_vec();
    next[..8].copy_from_slice(&3_i64.to_be_bytes());
    // Its last byte is a zero: with zeros behind it, all but that one is all of it.
    for length in 1..next.len() - 1 {
        for zeros in [0, 600] {
            for restarted in [false, true] {
                let (folder, _) = three();
                edit(folder.path(), |bytes| {
                    bytes.extend_from_slice(&next[..length]);
                    bytes.resize(bytes.len() + zeros, 0);
                });
                if restarted {
                    after_a_restart_of_the_machine(folder.path());
                }
                let partition = open(folder.path());
                let context = format!("{length} bytes and {zeros} zeros, machine restarted: {restarted}");
                assert_eq!(readable(&partition), expected(&["a", "b", "c"]), "{context}");
                assert_eq!(append(&partition, &[batch(&["d"])]), [Ok(3)], "{context}");
                let [(name, bytes)] = &aside(folder.path())[..] else { panic!("{context}") };
                assert_eq!(name, &format!("00000000000000000000.unfinished-{}", 3 * one), "{context}");
                assert_eq!(bytes.len(), length + zeros, "{context}");
            }
        }
    }
}

/// After a power cut the note of what was acknowledged may be an old one, or none.
#[test]
fn when_it_is_not_known_what_was_acknowledged_nothing_is_called_unfinished_that_need_not_be() {
    let (_, one) = three();
    for at in (0..one).filter(|at| !(12..16).contains(at)) {
        for note in ["old", "none"] {
            let (folder, _) = three();
            match note {
                "old" => after_a_restart_of_the_machine(folder.path()),
                _ => fs::remove_file(folder.path().join("acknowledged")).expect("it is there"),
            }
            edit(folder.path(), |bytes| bytes[2 * one + at] ^= 1);
            let partition = open(folder.path());
            assert_eq!(readable(&partition), expected(&["a", "b"]), "byte {at}, note: {note}");
            let outcome = append(&partition, &[batch(&["d"])]);
            assert!(matches!(outcome[..], [Ok(3..)]), "byte {at}, note: {note}: {outcome:?}");
            assert!(aside(folder.path())[0].0.contains(".damaged-"), "byte {at}, note: {note}");
        }
    }
}

#[test]
fn zeros_over_what_was_acknowledged_are_damage() {
    let (_, one) = three();
    for from in 0..3 * one - 10 {
        let (folder, _) = three();
        edit(folder.path(), |bytes| bytes[from..].fill(0));
        let partition = open(folder.path());
        // The last byte of each batch is a zero anyway.
        assert_eq!(
            readable(&partition),
            expected(&["a", "b", "c"][..(from + 1) / one]),
            "zeros from byte {from} on"
        );
        assert_eq!(append(&partition, &[batch(&["d"])]), [Ok(3)], "zeros from byte {from} on");
    }
}

#[test]
fn what_is_sound_behind_a_missing_piece_is_served() {
    let (folder, one) = three();
    edit(folder.path(), |bytes| drop(bytes.drain(one..2 * one)));
    let partition = open(folder.path());
    assert_eq!(readable(&partition), [(0, "a".to_owned()), (2, "c".to_owned())]);
    // Who asks for what is lost gets what comes next, as from a Kafka that has compacted.
    assert_eq!(records(partition.read(1, usize::MAX, true).expect("read")), [(2, "c".to_owned())]);
    assert_eq!(append(&partition, &[batch(&["d"])]), [Ok(3)]);
}

#[test]
fn batches_within_a_damaged_value_are_not_taken_for_the_log() {
    let (folder, partition) = empty();
    let mut inner = batch(&["inner"]).to_vec();
    inner[..8].copy_from_slice(&7_i64.to_be_bytes());
    // As text, since values of these tests are text: its bytes are searched like any others.
    let inner: String = inner.iter().map(|byte| char::from(byte & 0x7f)).collect();
    append(&partition, &[batch(&[&inner]), batch(&["b"])]);
    drop(partition);
    edit(folder.path(), |bytes| bytes[17] ^= 1);
    assert_eq!(readable(&open(folder.path())), [(1, "b".to_owned())]);
}

#[test]
fn a_producer_whose_batch_was_damaged_learns_it_and_repetitions_are_still_recognised() {
    let sent = |sequence| Sent { producer: 9, epoch: 0, sequence, ..Sent::default() }.bytes();
    let (folder, partition) = empty();
    append(&partition, &[sent(0), sent(1), sent(2)]);
    drop(partition);
    edit(folder.path(), |bytes| *bytes.last_mut().expect("bytes") ^= 1);
    let partition = open(folder.path());
    // Sent again, the lost one is taken: it is not in the log.
    let outcomes = append(&partition, &[sent(1), sent(3), sent(2), sent(3)]);
    assert_eq!(outcomes, [Ok(1), Err(Rejected::OutOfOrder), Ok(3), Ok(4)]);
}

/// Whatever it was doing when it died, the next start comes to the same end.
#[test]
fn a_death_during_recovery_changes_nothing() {
    type Damage = fn(&mut Vec<u8>, usize);
    let all: [(&str, Damage); 4] = [
        ("first", |bytes, _| bytes[40] ^= 1),
        ("middle", |bytes, one| bytes[one + 40] ^= 1),
        ("last", |bytes, one| bytes[2 * one + 40] ^= 1),
        ("two", |bytes, one| {
            bytes[40] ^= 1;
            bytes[2 * one + 40] ^= 1;
        }),
    ];
    for (name, damage) in all {
        let outcome = |deaths: &[&str]| {
            let (folder, one) = three();
            edit(folder.path(), |bytes| damage(bytes, one));
            for point in deaths {
                DIES_AT.set((*point).to_owned());
                let error = Partition::open(folder.path(), Retention::default()).expect_err("it dies");
                assert!(format!("{error:#}").contains(point), "{error:#}");
            }
            DIES_AT.take();
            let partition = open(folder.path());
            let appended = append(&partition, &[batch(&["d"])]);
            let mut kept = aside(folder.path());
            kept.iter_mut().for_each(|(name, _)| name.clear()); // a tail that was moved has another name
            (readable(&partition), appended, kept)
        };
        let undisturbed = outcome(&[]);
        assert_eq!(undisturbed.1, [Ok(3)], "{name}");
        for deaths in [&["aside"][..], &["follow"], &["cut"], &["aside", "follow", "cut"]] {
            // Where nothing follows any more, a death at a later point does not come about.
            assert_eq!(outcome(&deaths[..1]), undisturbed, "{name}, died at {}", deaths[0]);
        }
    }
}

#[test]
fn offsets_are_not_given_again_by_a_broker_that_is_restarted_before_it_writes() {
    let (folder, one) = three();
    edit(folder.path(), |bytes| bytes[2 * one + 40] ^= 1);
    for _ in 0..3 {
        assert_eq!(open(folder.path()).offsets(), 0..3);
    }
    assert_eq!(append(&open(folder.path()), &[batch(&["d"])]), [Ok(3)]);
}

#[test]
fn files_that_were_put_aside_are_bounded_in_number() {
    let (folder, _) = three();
    for number in 0..3 * crate::limits::MAX_ASIDE {
        edit_last(folder.path(), number);
        let partition = open(folder.path());
        append(&partition, &[batch(&["more"])]);
    }
    assert_eq!(aside(folder.path()).len(), crate::limits::MAX_ASIDE);
    assert_eq!(readable(&open(folder.path())).len(), 3 + 3 * crate::limits::MAX_ASIDE);
}

/// Leaves the beginning of a batch at the end of the last segment.
fn edit_last(folder: &Path, number: usize) {
    let path = folder.join(LOG_FILE);
    let mut bytes = fs::read(&path).expect("read");
    let next = 3 + i64::try_from(number).expect("small");
    bytes.extend_from_slice(&next.to_be_bytes());
    fs::write(&path, bytes).expect("write");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever happens to whatever part of the file, it starts, and serves only what was written, at its offset.
    #[test]
    fn any_damage_leaves_a_log_that_serves_the_truth(
        sizes in proptest::collection::vec(1_usize..4, 1..8),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1_usize..100), 1..4),
    ) {
        let (folder, partition) = empty();
        let mut all = Vec::new();
        for (number, size) in sizes.iter().enumerate() {
            let values: Vec<String> = (0..*size).map(|record| format!("{number}-{record}")).collect();
            let batch: Bytes = batch(&values.iter().map(String::as_str).collect::<Vec<_>>());
            append(&partition, &[batch]);
            all.extend(values);
        }
        let end = i64::try_from(all.len()).expect("small");
        let truth: Vec<(i64, String)> = (0..).zip(all).collect();
        prop_assert_eq!(everything(&partition), truth.clone());
        drop(partition);
        edit(folder.path(), |bytes| for (at, value, length) in &changes {
            let at = at.index(bytes.len());
            let end = (at + length).min(bytes.len());
            bytes[at..end].fill(*value);
        });
        let partition = open(folder.path());
        for record in readable(&partition) {
            prop_assert!(truth.contains(&record), "{record:?}");
        }
        let appended = append(&partition, &[batch(&["new"])]);
        prop_assert_eq!(appended, [Ok(end)]);
    }
}
