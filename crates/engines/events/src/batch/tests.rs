use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{Batch, BatchHeader, Invalid};
use crate::limits::MAX_BATCH;
use crate::testing::{Sent, batch};

/// Changes bytes and mends the checksum, as a producer with strange ideas would.
fn with(bytes: &Bytes, at: usize, new: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(&bytes[..]);
    bytes[at..at + new.len()].copy_from_slice(new);
    let crc = crc32c::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

#[test]
fn the_header_is_read_as_another_program_wrote_it() {
    let sent = Sent { values: &["a", "b", "c"], producer: 7, epoch: 1, sequence: 5, timestamp: 1_000 };
    let bytes = sent.bytes();
    let batch = Batch::check(bytes.clone()).expect("a sound batch");
    let header = batch.header;
    assert_eq!(header.length, bytes.len());
    assert_eq!((header.records, header.last_offset_delta, header.next_offset()), (3, 2, 3));
    assert_eq!((header.base_timestamp, header.max_timestamp), (1_000, 1_002));
    assert_eq!((header.producer_id, header.producer_epoch), (7, 1));
    assert_eq!((header.base_sequence, header.last_sequence()), (5, 7));
}

#[test]
fn sequence_numbers_start_again_at_zero() {
    let header =
        BatchHeader { base_sequence: i32::MAX, ..Batch::check(batch(&["a", "b"])).expect("sound").header };
    assert_eq!(header.last_sequence(), 0);
}

#[test]
fn any_single_changed_bit_behind_the_length_is_noticed() {
    let good = batch(&["some value"]);
    for at in 16..good.len() {
        let mut bad = BytesMut::from(&good[..]);
        bad[at] ^= 1;
        let outcome = Batch::check(bad.freeze());
        assert!(matches!(outcome, Err(Invalid::Corrupt(_))), "byte {at}: {outcome:?}");
    }
}

#[test]
fn a_batch_cut_anywhere_is_corrupt() {
    let good = batch(&["some value"]);
    for length in 0..good.len() {
        assert!(matches!(Batch::check(good.slice(..length)), Err(Invalid::Corrupt(_))), "{length} bytes");
    }
}

#[test]
fn what_only_brokers_may_write_is_refused() {
    let good = batch(&["a"]);
    let check = |at, new: &[u8]| Batch::check(with(&good, at, new)).expect_err("refused");
    assert!(matches!(check(57, &2_i32.to_be_bytes()), Invalid::NotAllowed(_)), "two records, one offset");
    assert!(matches!(check(21, &0x20_i16.to_be_bytes()), Invalid::NotAllowed(_)), "control batch");
    assert!(matches!(check(43, &7_i64.to_be_bytes()), Invalid::NotAllowed(_)), "producer without sequence");
    assert_eq!(check(21, &0x10_i16.to_be_bytes()), Invalid::Transactional);
    let two = [&good[..], &good[..]].concat();
    assert!(matches!(Batch::check(two.into()), Err(Invalid::NotAllowed(_))));
    let long = i32::try_from(MAX_BATCH).expect("fits").to_be_bytes();
    assert_eq!(check(8, &long), Invalid::TooLarge);
}

/// A batch whose records are these bytes, with everything in the header as a producer of one record has it.
fn with_records(records: &[u8]) -> Bytes {
    let mut bytes = batch(&["a"])[..61].to_vec();
    bytes.extend_from_slice(records);
    let length = i32::try_from(bytes.len() - 12).expect("small");
    bytes[8..12].copy_from_slice(&length.to_be_bytes());
    with(&bytes.into(), 0, &[])
}

/// By hand: length, attributes, timestamp, offset, no key, a value of one byte, no headers.
const RECORD: [u8; 8] = [14, 0, 0, 0, 1, 2, b'a', 0];

#[test]
fn a_header_that_contradicts_its_records_is_refused() {
    assert!(Batch::check(with_records(&RECORD)).is_ok(), "the record by hand is a good one");
    let changed = |at: usize, value: u8| {
        let mut record = RECORD;
        record[at] = value;
        record.to_vec()
    };
    for (what, records) in [
        ("no records", vec![]),
        ("two records where the header says one", [RECORD, RECORD].concat()),
        ("a byte too many", [&RECORD[..], &[0]].concat()),
        ("a record cut short", RECORD[..7].to_vec()),
        ("a length beyond the batch", changed(0, 16)),
        ("a length before the record's end", changed(0, 12)),
        ("a negative length", changed(0, 1)),
        ("an offset of 1", changed(3, 2)),
        ("a timestamp that the header does not know", changed(2, 4)),
        ("a key of length -2", changed(4, 3)),
        ("a value longer than its record", changed(5, 4)),
        ("a header that is not there", changed(7, 2)),
        ("a negative number of headers", changed(7, 1)),
        ("a number that never ends", vec![0xff; 20]),
    ] {
        let outcome = Batch::check(with_records(&records));
        assert!(matches!(outcome, Err(Invalid::NotAllowed(_))), "{what}: {outcome:?}");
    }
    let good = Sent { values: &["a", "b", "c"], ..Sent::default() }.bytes();
    let (more, fewer) = (4_i32.to_be_bytes(), 2_i32.to_be_bytes());
    for (what, at, new) in [
        ("a last offset of 3", 23, &3_i32.to_be_bytes()[..]),
        ("four records", 57, &more),
        ("two records", 57, &fewer),
        ("a newest timestamp before the first", 35, &999_i64.to_be_bytes()),
        ("a newest timestamp of no record", 35, &1_004_i64.to_be_bytes()),
        ("a newest timestamp before that of a record", 35, &1_001_i64.to_be_bytes()),
        ("a first timestamp too late for the newest", 27, &1_001_i64.to_be_bytes()),
        ("a first timestamp too early for the newest", 27, &900_i64.to_be_bytes()),
        ("a codec that does not exist", 21, &5_i16.to_be_bytes()),
        ("log append time", 21, &8_i16.to_be_bytes()),
    ] {
        let outcome = Batch::check(with(&good, at, new));
        assert!(matches!(outcome, Err(Invalid::NotAllowed(_))), "{what}: {outcome:?}");
    }
    // Fewer records and offsets than there are, in agreement with each other.
    let agreed = with(&with(&good, 23, &1_i32.to_be_bytes()), 57, &fewer);
    assert!(matches!(Batch::check(agreed), Err(Invalid::NotAllowed(_))));
    let agreed = with(&with(&good, 23, &3_i32.to_be_bytes()), 57, &more);
    assert!(matches!(Batch::check(agreed), Err(Invalid::NotAllowed(_))));
}

#[test]
fn a_header_is_checked_against_itself_where_its_records_are_compressed() {
    let compressed = with(&with_records(b"whatever gzip made of it"), 21, &1_i16.to_be_bytes());
    assert!(Batch::check(compressed.clone()).is_ok());
    let bomb = with(&with(&compressed, 23, &(i32::MAX - 1).to_be_bytes()), 57, &i32::MAX.to_be_bytes());
    assert!(matches!(Batch::check(bomb), Err(Invalid::NotAllowed(_))), "two billion records");
    assert!(matches!(
        Batch::check(with(&with_records(&[]), 21, &1_i16.to_be_bytes())),
        Err(Invalid::NotAllowed(_))
    ));
}

proptest! {
    #[test]
    fn random_records_are_refused_without_a_panic(records: Vec<u8>) {
        prop_assume!(records != RECORD);
        prop_assert!(Batch::check(with_records(&records)).is_err());
    }

    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes: Vec<u8>) {
        prop_assert!(Batch::check(bytes.into()).is_err());
    }

    #[test]
    fn random_headers_are_refused_without_a_panic(mut front in proptest::collection::vec(any::<u8>(), 61..200)) {
        front[16] = 2;
        prop_assert!(Batch::check(front.into()).is_err());
    }
}
