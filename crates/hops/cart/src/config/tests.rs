use super::{http_url, kafka_url};

#[test]
fn events_go_to_a_topic_of_their_own_unless_the_url_names_one() {
    let topic = |text: &str| kafka_url(text).map(|topic| topic.name);
    assert_eq!(topic("kafka://127.0.0.1:9092").as_deref(), Ok("cart-events"));
    assert_eq!(topic("kafka://127.0.0.1:9092/other").as_deref(), Ok("other"));
}

#[test]
fn the_inventory_is_an_address() {
    assert!(http_url("http://127.96.50.101:8080").is_ok());
    assert!(http_url("http://127.96.50.101:8080/").is_ok());
    for wrong in ["127.96.50.101:8080", "https://127.0.0.1:1", "http://inventory:1", "http://127.0.0.1:1/x"] {
        assert!(http_url(wrong).is_err(), "{wrong}");
    }
}
