use super::*;

const JSON: &str = r#"{"type":"item-added","eventId":"e","cartId":"CART-a","itemId":"ITEM-1","productId":"PROD-1","quantity":2,"at":7}"#;
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn fields(pairs: &[(&str, &str)]) -> Vec<Bytes> {
    let copy = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    pairs.iter().flat_map(|(name, value)| [copy(name), copy(value)]).collect()
}

#[test]
fn an_entry_says_again_what_was_written() {
    let found = fields(&[("event", JSON), ("traceparent", TRACEPARENT)]);
    let Line::Event(entry) = Line::read(Place(12, 3), found, Some("a")) else { panic!("an event") };
    let same = Outgoing::new(entry.outgoing.event.clone(), TRACEPARENT.parse().expect("valid"));
    assert_eq!(entry.outgoing, same);
    assert_eq!(entry.outgoing.fields(), (JSON, TRACEPARENT));
    assert_eq!(entry.id.to_string(), "12-3");
}

#[test]
fn places_are_numbers_and_not_texts() {
    assert!(Place(2, 0) < Place(10, 0) && Place(10, 9) < Place(10, 10));
    assert_eq!(Place::parse("12-3"), Some(Place(12, 3)));
    assert_eq!((Place::parse("12"), Place::parse("a-1")), (None, None));
    assert_eq!(Place(1, 2).next(), Place(1, 3));
    assert_eq!(Place(1, u64::MAX).next(), Place(2, 0));
}

#[test]
fn what_no_consumer_could_read_is_malformed_and_kept_as_it_is() {
    let long = JSON.replace("PROD-1", &"x".repeat(LONGEST));
    for (pairs, why) in [
        (&[("event", JSON)][..], "no field traceparent"),
        (&[("traceparent", TRACEPARENT)], "no field event"),
        (&[("event", "{}"), ("traceparent", TRACEPARENT)], "the event is none"),
        (&[("event", "\u{0}"), ("traceparent", TRACEPARENT)], "the event is none"),
        (&[("event", JSON), ("traceparent", "x")], "traceparent"),
        (&[("event", &JSON.replace("CART-a", "CART-b")), ("traceparent", TRACEPARENT)], "another cart"),
        (&[("event", &long), ("traceparent", TRACEPARENT)], "more than"),
        (&[], "no field"),
    ] {
        let found = fields(pairs);
        match Line::read(Place(1, 0), found.clone(), Some("a")) {
            Line::Malformed(malformed) => {
                assert!(malformed.why.contains(why), "{malformed:?}");
                assert_eq!(malformed.fields, found);
            }
            Line::Event(entry) => panic!("{entry:?}"),
        }
    }
    let binary = vec![Bytes::from_static(b"event"), Bytes::from_static(b"\xff\xfe")];
    assert!(matches!(Line::read(Place(1, 0), binary, None), Line::Malformed(_)));
}
