use super::{InventoryUrl, KafkaUrl, RedisUrl};

#[test]
fn redis_urls_say_whom_and_how_to_log_in() {
    let read = |text: &str| text.parse::<RedisUrl>().map(|url| (url.user, url.password, url.database));
    assert_eq!(read("redis://127.0.0.1:6379"), Ok((None, None, 0)));
    assert_eq!(read("redis://127.0.0.1:6379/3"), Ok((None, None, 3)));
    assert_eq!(read("redis://:p%40ss@127.0.0.1:6379/"), Ok((None, Some("p@ss".into()), 0)));
    assert_eq!(read("redis://me:a:b@127.0.0.1:6379"), Ok((Some("me".into()), Some("a:b".into()), 0)));
    for wrong in [
        "",
        "redis://",
        "http://127.0.0.1:1",
        "redis://localhost:1",
        "redis://me@127.0.0.1:1",
        "redis://127.0.0.1:1/x",
        "redis://:%4@127.0.0.1:1",
        "redis://:%+4@127.0.0.1:1",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let url: RedisUrl = "redis://me:secret@127.0.0.1:6379".parse().expect("a URL");
    assert!(!format!("{url:?}").contains("secret"));
    let wrong = "redis://me:secret@nowhere".parse::<RedisUrl>().expect_err("not an address");
    assert!(!wrong.contains("secret"));
}

#[test]
fn kafka_urls_may_name_a_topic() {
    let topic = |text: &str| text.parse::<KafkaUrl>().map(|url| url.topic);
    assert_eq!(topic("kafka://127.0.0.1:9092").as_deref(), Ok("cart-events"));
    assert_eq!(topic("kafka://127.0.0.1:9092/other_1.x").as_deref(), Ok("other_1.x"));
    for wrong in ["127.0.0.1:9092", "kafka://127.0.0.1", "kafka://127.0.0.1:1/a/b", "kafka://127.0.0.1:1/.."]
    {
        assert!(topic(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_inventory_is_an_address() {
    assert!("http://127.96.50.101:8080".parse::<InventoryUrl>().is_ok());
    assert!("http://127.96.50.101:8080/".parse::<InventoryUrl>().is_ok());
    for wrong in ["127.96.50.101:8080", "https://127.0.0.1:1", "http://inventory:1", "http://127.0.0.1:1/x"] {
        assert!(wrong.parse::<InventoryUrl>().is_err(), "{wrong}");
    }
}
