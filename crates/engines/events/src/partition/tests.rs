use std::fs;
use std::io;
use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{LOG_FILE, Partition, Rejected};
use crate::batch::Batch;
use crate::retention::Retention;
use crate::testing::{Sent, batch, records};

pub(super) fn empty() -> (TempDir, Partition) {
    let folder = tempfile::tempdir().expect("a folder");
    let partition = Partition::create(folder.path(), folder.path(), Retention::default()).expect("create");
    (folder, partition)
}

pub(super) fn stage(partition: &Partition, bytes: Bytes) -> Result<i64, Rejected> {
    partition.stage(&Batch::check(bytes).expect("a sound batch"))
}

/// One group, as the appender does it.
pub(super) fn append(partition: &Partition, batches: &[Bytes]) -> Vec<Result<i64, Rejected>> {
    let outcomes = batches.iter().map(|bytes| stage(partition, bytes.clone())).collect();
    partition.write().expect("write");
    partition.sync().expect("sync");
    partition.commit();
    outcomes
}

pub(super) fn everything(partition: &Partition) -> Vec<(i64, String)> {
    records(partition.read(0, usize::MAX, true).expect("read"))
}

pub(super) fn expected(values: &[&str]) -> Vec<(i64, String)> {
    (0..).zip(values.iter().map(|value| (*value).to_owned())).collect()
}

/// Changes the file while nobody has it open.
pub(super) fn edit(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(LOG_FILE);
    let mut bytes = fs::read(&path).expect("read the file");
    change(&mut bytes);
    fs::write(&path, bytes).expect("write the file");
}

#[test]
fn batches_get_offsets_without_a_gap_and_stay_as_they_were_sent() {
    let (_folder, partition) = empty();
    let sent = [batch(&["a", "b"]), batch(&["c"])];
    assert_eq!(append(&partition, &sent), [Ok(0), Ok(2)]);
    assert_eq!(append(&partition, &[batch(&["d"])]), [Ok(3)]);
    assert_eq!(everything(&partition), expected(&["a", "b", "c", "d"]));
    let second = partition.read(2, usize::MAX, true).expect("read");
    assert_eq!(second[16..sent[1].len()], sent[1][16..], "all but offset and epoch is untouched");
}

#[test]
fn nothing_is_seen_before_it_is_committed() {
    let (_folder, partition) = empty();
    assert_eq!(stage(&partition, batch(&["a"])), Ok(0));
    partition.write().expect("write");
    assert_eq!((partition.offsets().end, partition.read(0, 100, true).expect("read").len()), (0, 0));
    partition.commit();
    assert_eq!(partition.offsets().end, 1);
}

#[test]
fn a_failed_group_leaves_no_trace() {
    let (folder, partition) = empty();
    let first = |sequence| Sent { producer: 9, epoch: 0, sequence, ..Sent::default() }.bytes();
    append(&partition, &[first(0)]);
    stage(&partition, first(1)).expect("staged");
    stage(&partition, first(2)).expect("staged");
    partition.write().expect("write");
    partition.rollback(&io::Error::from(io::ErrorKind::StorageFull)).expect("cut");
    assert_eq!(partition.offsets().end, 1);
    let length = fs::metadata(folder.path().join(LOG_FILE)).expect("look").len();
    assert_eq!(length, first(0).len() as u64, "the file is cut back");
    // The producer sends the same again: neither a repetition nor a gap.
    assert_eq!(append(&partition, &[first(1)]), [Ok(1)]);
}

#[test]
fn sequence_numbers_are_checked_within_a_group_too() {
    let (_folder, partition) = empty();
    let sent = |sequence| Sent { producer: 9, epoch: 0, sequence, ..Sent::default() }.bytes();
    let outcomes = append(&partition, &[sent(0), sent(1), sent(1), sent(3), sent(2)]);
    assert_eq!(outcomes, [Ok(0), Ok(1), Ok(1), Err(Rejected::OutOfOrder), Ok(2)]);
    assert_eq!(partition.offsets().end, 3);
}

#[test]
fn repetitions_are_recognised_after_a_restart() {
    let (folder, partition) = empty();
    let sent = |sequence| Sent { producer: 9, epoch: 0, sequence, ..Sent::default() }.bytes();
    append(&partition, &[sent(0), sent(1)]);
    drop(partition);
    let partition = Partition::open(folder.path(), Retention::default()).expect("open");
    assert_eq!(append(&partition, &[sent(1), sent(5), sent(2)]), [Ok(1), Err(Rejected::OutOfOrder), Ok(2)]);
}

#[test]
fn readers_get_whole_batches_and_at_least_one_if_they_must() {
    let (_folder, partition) = empty();
    let sent = batch(&["a"]);
    append(&partition, &[sent.clone(), sent.clone(), sent.clone()]);
    let read = |limit, at_least_one| partition.read(0, limit, at_least_one).expect("read").len() / sent.len();
    assert_eq!(read(sent.len() * 2 + 5, false), 2);
    assert_eq!(read(sent.len(), false), 1);
    assert_eq!(read(sent.len() - 1, false), 0);
    assert_eq!(read(0, true), 1);
    assert_eq!(partition.read(3, 100, true).expect("read").len(), 0, "the end");
}

#[test]
fn the_sparse_index_finds_every_offset_and_time() {
    let (folder, partition) = empty();
    let value = "x".repeat(700);
    let mut offset = 0;
    for number in 0..200_i64 {
        // Batches of one to three records, most of them smaller than the index interval.
        let values = vec![value.as_str(); usize::try_from(number % 3).expect("small") + 1];
        let sent = Sent { values: &values, timestamp: number * 100, ..Sent::default() };
        assert_eq!(append(&partition, &[sent.bytes()]), [Ok(offset)]);
        offset += number % 3 + 1;
    }
    for partition in [&partition, &Partition::open(folder.path(), Retention::default()).expect("open")] {
        for wanted in 0..offset {
            let found = records(partition.read(wanted, 0, true).expect("read"));
            assert!(found.iter().any(|(offset, _)| *offset == wanted), "{wanted}: {found:?}");
        }
        for number in 1..200_i64 {
            let found = partition.first_since(number * 100 - 50).expect("read").expect("found");
            assert_eq!(found.base_timestamp, number * 100);
        }
        assert_eq!(partition.first_since(1_000_000).expect("read"), None);
        assert_eq!(partition.newest().map(|newest| newest.offset), Some(offset - 1));
    }
}

#[test]
fn a_file_changed_behind_our_back_is_an_error_not_an_endless_search() {
    let (folder, partition) = empty();
    append(&partition, &[batch(&["a"]), batch(&["b"])]);
    fs::write(folder.path().join(LOG_FILE), vec![0; 2 * batch(&["a"]).len()]).expect("write");
    assert!(partition.read(1, 100, true).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_appended_is_there_after_reopening(groups in proptest::collection::vec(
        proptest::collection::vec(proptest::collection::vec("[a-z]{0,2000}", 1..4), 1..4), 1..8
    )) {
        let (folder, partition) = empty();
        let mut all = Vec::new();
        for group in &groups {
            let batches: Vec<Bytes> = group.iter().map(|values| {
                let values: Vec<&str> = values.iter().map(String::as_str).collect();
                batch(&values)
            }).collect();
            append(&partition, &batches);
            all.extend(group.iter().flatten().map(String::as_str));
        }
        prop_assert_eq!(everything(&partition), expected(&all));
        drop(partition);
        let reopened = Partition::open(folder.path(), Retention::default()).expect("open");
        prop_assert_eq!(everything(&reopened), expected(&all));
        prop_assert_eq!(reopened.offsets().end, i64::try_from(all.len()).expect("fits"));
    }

    /// Whatever a crash leaves of the last write, what was committed before is there.
    #[test]
    fn garbage_at_the_end_never_costs_what_was_committed(garbage: Vec<u8>) {
        let (folder, partition) = empty();
        append(&partition, &[batch(&["a"]), batch(&["b"])]);
        drop(partition);
        edit(folder.path(), |bytes| bytes.extend_from_slice(&garbage));
        let partition = Partition::open(folder.path(), Retention::default()).expect("open");
        prop_assert_eq!(everything(&partition), expected(&["a", "b"]));
    }
}
