use clap::Parser as _;

use super::{Advertised, Settings};

#[test]
fn the_address_for_clients_is_a_host_and_a_port() {
    let parse = |text: &str| text.parse::<Advertised>();
    assert_eq!(parse("kafka.internal:9092"), Ok(Advertised { host: "kafka.internal".into(), port: 9092 }));
    assert_eq!(parse("[::1]:9092"), Ok(Advertised { host: "::1".into(), port: 9092 }));
    for wrong in ["", "kafka", ":9092", "kafka:0", "kafka:70000", "kafka:x"] {
        assert!(parse(wrong).is_err(), "{wrong:?} was taken");
    }
}

#[test]
fn listening_everywhere_needs_an_address_to_tell() {
    let settings = |more: &[&str]| {
        let base = ["events", "--listen", "0.0.0.0:9092"];
        Settings::parse_from(base.iter().chain(more))
    };
    let error = settings(&[]).check().expect_err("no address to tell clients");
    assert!(error.to_string().contains("ADVERTISED"), "{error}");
    settings(&["--advertised", "10.0.0.1:9092"]).check().expect("an address to tell clients");
}
