use reliability::Message;
use serde_json::{Value, json};

use super::*;

#[test]
fn a_record_is_what_consumers_read_and_says_what_caused_it() {
    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let customer = Customer::parse("alice").expect("a name");
    let event = Event::now("item-added", &customer, &ProductId::parse("PROD-1").expect("a product"), 2);
    let record = Message::new(event.clone(), TRACEPARENT.parse().expect("valid")).record();
    assert_eq!(&record.key[..], b"CART-alice");
    let value: Value = serde_json::from_slice(&record.value).expect("JSON");
    assert_eq!(
        value,
        json!({"type": "item-added", "eventId": event.event_id, "cartId": "CART-alice",
            "itemId": "ITEM-1", "productId": "PROD-1", "quantity": 2, "at": event.at})
    );
    let header =
        |wanted| record.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| &value[..]);
    assert_eq!(header("type"), Some(&b"item-added"[..]));
    assert_eq!(header("content-type"), Some(&b"application/json"[..]));
    assert_eq!(header("traceparent"), Some(TRACEPARENT.as_bytes()));
    assert_eq!(record.timestamp, event.at);
}
