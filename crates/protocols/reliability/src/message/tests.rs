use super::*;
use crate::testing::{Happened, TRACEPARENT, message};

const JSON: &str = r#"{"id":"e","key":"OWNER-alice","at":7}"#;

fn fields(pairs: &[(&str, &str)]) -> Vec<Bytes> {
    let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    pairs.iter().flat_map(|(name, value)| [copy(name), copy(value)]).collect()
}

fn read(fields: Vec<Bytes>, owner: Option<&str>) -> Entry<Happened> {
    Entry::read(redis_client::Entry { id: StreamId(12, 3), fields }, owner)
}

#[test]
fn an_entry_says_again_what_was_written() {
    let found = fields(&[("event", JSON), ("traceparent", TRACEPARENT)]);
    let Entry::Message(id, found) = read(found, Some("alice")) else { panic!("a message") };
    assert_eq!(found, message());
    assert_eq!(found.fields(), ["event", JSON, "traceparent", TRACEPARENT]);
    assert_eq!(id.to_string(), "12-3");
}

#[test]
fn a_record_is_the_event_and_says_what_caused_it() {
    let record = message().record();
    assert_eq!((&record.key[..], &record.value[..]), (&b"OWNER-alice"[..], JSON.as_bytes()));
    assert_eq!(record.timestamp, 7);
    let headers: Vec<(&str, &[u8])> =
        record.headers.iter().map(|(name, value)| (*name, &value[..])).collect();
    assert_eq!(
        headers,
        [
            ("type", &b"happened"[..]),
            ("content-type", b"application/json"),
            ("traceparent", TRACEPARENT.as_bytes())
        ]
    );
}

#[test]
fn what_no_consumer_could_read_is_malformed_and_kept_as_it_is() {
    let long = JSON.replace("\"e\"", &format!("{:?}", "x".repeat(LONGEST)));
    for (pairs, why) in [
        (&[("event", JSON)][..], "no field traceparent"),
        (&[("traceparent", TRACEPARENT)], "no field event"),
        (&[("event", "{}"), ("traceparent", TRACEPARENT)], "the event is none"),
        (&[("event", "\u{0}"), ("traceparent", TRACEPARENT)], "the event is none"),
        (&[("event", JSON), ("traceparent", "x")], "traceparent"),
        (&[("event", &JSON.replace("alice", "bob")), ("traceparent", TRACEPARENT)], "another owner's"),
        (&[("event", &long), ("traceparent", TRACEPARENT)], "more than"),
        (&[], "no field"),
    ] {
        let found = fields(pairs);
        match read(found.clone(), Some("alice")) {
            Entry::Malformed(malformed) => {
                assert!(malformed.why.contains(why), "{malformed:?}");
                assert_eq!(malformed.fields, found);
            }
            Entry::Message(_, message) => panic!("{message:?}"),
        }
    }
    let binary = vec![Bytes::from_static(b"event"), Bytes::from_static(b"\xff\xfe")];
    assert!(matches!(read(binary, None), Entry::Malformed(_)));
}
