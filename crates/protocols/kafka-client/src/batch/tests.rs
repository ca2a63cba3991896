use bytes::Bytes;
use kafka_protocol::records::RecordBatchDecoder;

use super::{Record, encode, split};

fn record(value: &str) -> Record {
    Record::new("CART-alice", value.to_owned(), 7).header("type", "item-added").header("traceparent", "00-1")
}

#[test]
fn a_batch_holds_its_records_and_what_is_said_about_them() {
    let mut batch = encode(&[record("one"), record("two")]).expect("encodes");
    // The decoder checks length and checksum.
    let set = RecordBatchDecoder::decode(&mut batch).expect("decodes");
    assert!(batch.is_empty() && set.version == 2);
    let [first, second] = &set.records[..] else { panic!("two records, not {}", set.records.len()) };
    assert_eq!((first.offset, second.offset), (0, 1));
    assert_eq!((first.value.as_deref(), second.value.as_deref()), (Some(&b"one"[..]), Some(&b"two"[..])));
    assert_eq!((first.key.as_deref(), first.timestamp), (Some(&b"CART-alice"[..]), 7));
    let headers: Vec<_> = first
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_deref().unwrap_or_default()))
        })
        .collect();
    assert_eq!(
        headers,
        [("type".to_owned(), "item-added".into()), ("traceparent".to_owned(), "00-1".into())]
    );
}

#[test]
fn half_a_batch_is_left_for_the_next_fetch() {
    let one = encode(&[record("a1"), record("a2")]).expect("encodes");
    // Its base offset: 2.
    let mut two = encode(&[record("a3")]).expect("encodes").to_vec();
    two[7] = 2;
    let both = Bytes::from([&one[..], &two[..]].concat());
    let ends = |bytes: &Bytes| {
        let batches = split(bytes.clone());
        batches.iter().map(|batch| (batch.first, batch.after)).collect::<Vec<_>>()
    };
    assert_eq!(ends(&both), [(0, 2), (2, 3)]);
    for length in 0..both.len() {
        let whole = if length < one.len() { 0 } else { 1 };
        assert_eq!(ends(&both.slice(..length)).len(), whole, "{length} bytes");
    }
    assert_eq!(ends(&Bytes::from_static(&[0xff; 100])), []);
}
