use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::batch::Batch;
use crate::partition::{Partition, Rejected, segment::file_name};
use crate::retention::Retention;
use crate::testing::{Sent, batch, records};

const SMALL: Retention = Retention { segment_bytes: 200, bytes: None, age_ms: None };

fn append(partition: &Partition, sent: Sent<'_>) -> Result<i64, Rejected> {
    partition.roll_if_due();
    let outcome = partition.stage(&Batch::check(sent.bytes()).expect("a sound batch"));
    partition.write().expect("write");
    partition.sync().expect("sync");
    partition.commit();
    outcome
}

/// Twelve numbered records of one idempotent producer, one batch each, three batches per segment.
fn twelve(keep: Retention) -> (TempDir, Partition) {
    let folder = tempfile::tempdir().expect("a folder");
    let partition = Partition::create(folder.path(), folder.path(), keep).expect("create");
    for number in 0..12 {
        assert_eq!(append(&partition, numbered(number)), Ok(i64::from(number)));
    }
    (folder, partition)
}

fn numbered(sequence: i32) -> Sent<'static> {
    let timestamp = i64::from(sequence) * 1000;
    Sent { values: &["v"], producer: 9, epoch: 0, sequence, timestamp }
}

fn logs(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("list").map(|entry| entry.expect("an entry").file_name());
    let mut logs: Vec<_> =
        names.map(|name| name.into_string().expect("text")).filter(|name| name.ends_with(".log")).collect();
    logs.sort();
    logs
}

/// All offsets from `from` on, read as a client does: fetch after fetch.
fn offsets(partition: &Partition, from: i64) -> Vec<i64> {
    let mut all = Vec::new();
    let mut next = from;
    while next < partition.offsets().end {
        let some = records(partition.read(next, usize::MAX, true).expect("read"));
        all.extend(some.iter().map(|(offset, _)| *offset));
        next = all.last().expect("progress") + 1;
    }
    all
}

fn flip(path: &PathBuf, at: usize) {
    let mut bytes = fs::read(path).expect("read the file");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("write the file");
}

#[test]
fn a_log_in_segments_reads_as_one_before_and_after_a_restart() {
    let (folder, partition) = twelve(SMALL);
    assert_eq!(logs(folder.path()), [0, 3, 6, 9].map(file_name));
    let check = |partition: &Partition| {
        for from in 0..12 {
            assert_eq!(offsets(partition, from), (from..12).collect::<Vec<_>>());
        }
        for (timestamp, offset) in [(0, 0), (2_500, 3), (3_000, 3), (8_001, 9), (11_000, 11)] {
            let found = partition.first_since(timestamp).expect("read").expect("found");
            assert_eq!(found.base_offset, offset);
        }
        assert_eq!(partition.first_since(11_001).expect("read"), None);
        assert_eq!(partition.newest().map(|newest| newest.offset), Some(11));
        let length = numbered(0).bytes().len() as u64;
        assert_eq!(partition.bytes_from(0).expect("read"), 12 * length);
        assert_eq!(partition.bytes_from(10).expect("read"), 2 * length);
    };
    check(&partition);
    drop(partition);
    check(&Partition::open(folder.path(), SMALL).expect("open"));
    // Checkpoints are a help, not the truth: without them, or with a damaged one, the files are read.
    fs::remove_file(folder.path().join(file_name(0)).with_extension("sealed")).expect("remove");
    flip(&folder.path().join(file_name(3)).with_extension("sealed"), 30);
    check(&Partition::open(folder.path(), SMALL).expect("open"));
    fs::remove_file(folder.path().join(file_name(9)).with_extension("producers")).expect("remove");
    let partition = Partition::open(folder.path(), SMALL).expect("open");
    check(&partition);
    assert_eq!(append(&partition, numbered(10)), Ok(10), "a repetition");
    assert!(folder.path().join(file_name(9)).with_extension("producers").exists(), "written again");
    assert!(folder.path().join(file_name(0)).with_extension("sealed").exists(), "written again");
}

#[test]
fn what_is_too_much_goes_by_whole_segments_and_the_rest_keeps_its_offsets() {
    let length = numbered(0).bytes().len() as u64;
    let keep = Retention { bytes: Some(5 * length), ..SMALL };
    let (folder, partition) = twelve(keep);
    partition.retain(0);
    // Six of twelve are left: deleting three more would leave fewer than five.
    assert_eq!(partition.offsets(), 6..12);
    assert_eq!(logs(folder.path()), [6, 9].map(file_name));
    let error = partition.read(5, 1000, true).expect_err("deleted");
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    drop(partition);
    let partition = Partition::open(folder.path(), keep).expect("open");
    assert_eq!(partition.offsets(), 6..12);
    assert_eq!(offsets(&partition, 6), (6..12).collect::<Vec<_>>());
}

#[test]
fn what_is_too_old_goes_the_active_segment_included() {
    let keep = Retention { age_ms: Some(5_000), ..SMALL };
    let (folder, partition) = twelve(keep);
    partition.retain(8_000);
    assert_eq!(partition.offsets(), 3..12, "the newest of the first segment is 6 s old, of the second 3 s");
    partition.retain(1_000_000);
    assert_eq!(partition.offsets(), 12..12);
    assert_eq!(logs(folder.path()), [file_name(12)]);
    drop(partition);
    let partition = Partition::open(folder.path(), keep).expect("open");
    assert_eq!(partition.offsets(), 12..12);
    // A repetition is known although the record it repeats is gone, and the next is the next.
    assert_eq!(append(&partition, numbered(11)), Ok(11));
    assert_eq!(append(&partition, numbered(13)), Err(Rejected::OutOfOrder));
    assert_eq!(append(&partition, numbered(12)), Ok(12));
}

#[test]
fn a_deletion_that_was_interrupted_is_finished_and_a_missing_file_is_not_taken_for_one() {
    let (folder, partition) = twelve(SMALL);
    drop(partition);
    // The start has moved, the files are still there.
    fs::write(folder.path().join("start"), "00000000000000000006\n").expect("write");
    assert_eq!(Partition::open(folder.path(), SMALL).expect("open").offsets(), 6..12);
    assert_eq!(logs(folder.path()), [6, 9].map(file_name));
    fs::remove_file(folder.path().join(file_name(6))).expect("remove");
    let error = Partition::open(folder.path(), SMALL).expect_err("refused").to_string();
    assert!(error.contains("from offset 6 on are missing"), "{error}");
    fs::write(folder.path().join("start"), "six").expect("write");
    assert!(Partition::open(folder.path(), SMALL).is_err());
}

#[test]
fn a_start_with_a_flipped_bit_is_refused_and_never_hides_records() {
    let (folder, partition) = twelve(SMALL);
    drop(partition);
    let path = folder.path().join("start");
    let whole = fs::read(&path).expect("a start");
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).expect("write");
        assert!(
            crate::partition::start::Start::open(folder.path()).is_err(),
            "{:?}",
            String::from_utf8_lossy(&flipped)
        );
    }
}

#[test]
fn a_missing_segment_in_the_middle_is_refused() {
    let (folder, partition) = twelve(SMALL);
    drop(partition);
    fs::remove_file(folder.path().join(file_name(3))).expect("remove");
    let error = Partition::open(folder.path(), SMALL).expect_err("refused").to_string();
    assert!(error.contains("from offset 3 on are missing") && error.contains(&file_name(6)), "{error}");
}

#[test]
fn a_file_that_somebody_else_deletes_is_not_taken_for_an_old_one() {
    let (folder, partition) = twelve(SMALL);
    fs::remove_file(folder.path().join(file_name(3))).expect("remove");
    let error = partition.read(4, 1000, true).expect_err("gone");
    assert!(
        error.kind() != std::io::ErrorKind::NotFound && error.to_string().contains(&file_name(3)),
        "{error}"
    );
    assert_eq!(offsets(&partition, 6), (6..12).collect::<Vec<_>>());
}

#[test]
fn a_roll_that_was_interrupted_leaves_a_log_that_goes_on() {
    let (folder, partition) = twelve(SMALL);
    drop(partition);
    // The next file was made, and the last write to the one before it is unfinished.
    let last = folder.path().join(file_name(9));
    let mut bytes = fs::read(&last).expect("read");
    bytes.extend_from_slice(&12_i64.to_be_bytes());
    fs::write(&last, bytes).expect("write");
    fs::write(folder.path().join(file_name(12)), "").expect("write");
    let partition = Partition::open(folder.path(), SMALL).expect("open");
    assert_eq!(partition.offsets(), 0..12);
    assert_eq!(append(&partition, numbered(12)), Ok(12));
}

#[test]
fn a_sealed_segment_that_is_shorter_than_it_was_costs_what_is_missing() {
    let (folder, partition) = twelve(SMALL);
    drop(partition);
    let path = folder.path().join(file_name(3));
    let whole = fs::read(&path).expect("read");
    fs::write(&path, &whole[..whole.len() - 1]).expect("write");
    for _ in 0..2 {
        let partition = Partition::open(folder.path(), SMALL).expect("open");
        assert_eq!(partition.offsets(), 0..12);
        assert_eq!(offsets(&partition, 3), [3, 4, 6, 7, 8, 9, 10, 11]);
        assert_eq!(offsets(&partition, 5), [6, 7, 8, 9, 10, 11]);
    }
    let aside = path.with_extension(format!("damaged-{}", 2 * numbered(0).bytes().len()));
    assert_eq!(fs::read(aside).expect("read"), whole[whole.len() / 3 * 2..whole.len() - 1]);
}

#[test]
fn a_flipped_byte_in_a_sealed_segment_is_found_when_it_is_read_and_costs_nothing_before_it() {
    let one = numbered(0).bytes().len();
    for at in [0, 7, 11, 16, 20, 22, 26, 57, one - 1] {
        let (folder, partition) = twelve(SMALL);
        drop(partition);
        let path = folder.path().join(file_name(3));
        flip(&path, one + at);
        let partition = Partition::open(folder.path(), SMALL).expect("sealed segments are not read at start");
        assert_eq!(records(partition.read(3, usize::MAX, true).expect("read")).len(), 1, "what is before it");
        let error = partition.read(4, usize::MAX, true).expect_err("damaged");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
        let expected = format!("{} is damaged at byte {one}", path.display());
        assert!(error.to_string().contains(&expected), "{at}: {error}");
        assert_eq!(offsets(&partition, 6), (6..12).collect::<Vec<_>>(), "what is behind its segment");
    }
}

#[test]
fn a_roll_that_the_disk_refuses_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let partition = Partition::create(folder.path(), folder.path(), SMALL).expect("create");
    // A folder where the checkpoint should be written.
    let in_the_way = folder.path().join(file_name(0)).with_extension("sealed.new");
    fs::create_dir(&in_the_way).expect("a folder");
    for number in 0..6 {
        assert_eq!(append(&partition, numbered(number)), Ok(i64::from(number)));
    }
    assert_eq!(logs(folder.path()), [file_name(0)]);
    fs::remove_dir(in_the_way).expect("remove");
    assert_eq!(append(&partition, numbered(6)), Ok(6));
    assert_eq!(logs(folder.path()), [0, 6].map(file_name));
    drop(partition);
    let reopened = Partition::open(folder.path(), SMALL).expect("open");
    assert_eq!(offsets(&reopened, 0), (0..7).collect::<Vec<_>>());
}

#[test]
fn values_that_look_like_batches_do_not_confuse_a_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let partition = Partition::create(folder.path(), folder.path(), SMALL).expect("create");
    let inner = String::from_utf8_lossy(&batch(&["inner"])).into_owned();
    append(&partition, Sent { values: &[&inner, &inner], ..Sent::default() }).expect("appended");
    assert_eq!(offsets(&partition, 0), [0, 1]);
}
