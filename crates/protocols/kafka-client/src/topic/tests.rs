use super::Topic;

#[test]
fn urls_may_name_a_topic() {
    let name = |url: &str| Topic::parse(url, "cart-events").map(|topic| topic.name);
    assert_eq!(name("kafka://127.0.0.1:9092").as_deref(), Ok("cart-events"));
    assert_eq!(name("kafka://127.0.0.1:9092/other_1.x").as_deref(), Ok("other_1.x"));
    for wrong in ["127.0.0.1:9092", "kafka://127.0.0.1", "kafka://127.0.0.1:1/a/b", "kafka://127.0.0.1:1/.."]
    {
        assert!(name(wrong).is_err(), "{wrong}");
    }
}
