use super::*;

#[test]
fn an_entry_says_again_what_was_written() {
    let json = r#"{"type":"item-added","eventId":"e","cartId":"CART-a","itemId":"ITEM-1","productId":"PROD-1","quantity":2,"at":7}"#;
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let entry = Entry::parse("12-3", json, traceparent).expect("an entry");
    assert_eq!(
        entry.outgoing,
        Outgoing::new(entry.outgoing.event.clone(), traceparent.parse().expect("valid"))
    );
    assert_eq!(entry.outgoing.fields(), (json, traceparent));
    assert_eq!((entry.id, entry.id.to_string().as_str()), (Place(12, 3), "12-3"));
    assert!(Place(2, 0) < Place(10, 0) && Place(10, 9) < Place(10, 10), "as numbers, not as texts");
    for (id, event) in [("12", json), ("a-1", json), ("1-1", "{}")] {
        assert_eq!(Entry::parse(id, event, ""), None, "{id} {event}");
    }
}
