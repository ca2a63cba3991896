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

proptest! {
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
