use super::*;

fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn redis_is_durable_with_two_settings_only() {
    let say = |append, sync| redis::verdict(&settings(&[("appendonly", append), ("appendfsync", sync)]));
    assert_eq!(say("yes", "always"), None);
    assert!(say("yes", "everysec").is_some_and(|said| said.contains("appendfsync is everysec")));
    assert!(say("no", "always").is_some_and(|said| said.contains("appendonly is no")));
    assert!(redis::verdict(&Settings::new()).is_some());
}

#[test]
fn kafka_is_durable_on_disk_or_with_copies() {
    let say = |flush, copies| {
        let names = [("log.flush.interval.messages", flush), ("min.insync.replicas", copies)];
        kafka::verdict(&settings(&names))
    };
    assert_eq!(say("1", "1"), None);
    assert_eq!(say("9223372036854775807", "2"), None);
    assert!(say("9223372036854775807", "1").is_some_and(|said| said.contains("9223372036854775807")));
    assert!(kafka::verdict(&Settings::new()).is_some_and(|said| said.contains("not set")));
}

fn plan(swaps: &[&str], sets: &[String]) -> Plan {
    let swaps: Vec<String> = swaps.iter().map(|swap| (*swap).to_owned()).collect();
    let folder = std::path::Path::new("");
    Plan::parse("lab.toml", crate::plan::DEFAULT, folder, sets, &swaps).expect("a good plan")
}

#[tokio::test]
async fn who_cannot_be_asked_is_named() {
    assert_eq!(warnings(&plan(&[], &[])).await, Vec::<String>::new(), "the lab's own are durable");
    let (nobody, deaf) = (hop::listen::own_loopback(), hop::listen::own_loopback());
    let listener = std::net::TcpListener::bind(deaf).expect("an address of one's own");
    let sets = [format!("hop.redis.external=redis://{deaf}"), format!("hop.kafka.external=kafka://{nobody}")];
    let said = warnings(&plan(&["resolver=/usr/bin/my-resolver --fast"], &sets)).await;
    drop(listener);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].starts_with("resolver: its cache cannot be emptied"), "{}", said[0]);
    assert!(
        said[1].contains("redis at") && said[1].contains("could not be checked: no answer"),
        "{}",
        said[1]
    );
    assert!(said[2].contains("kafka at") && said[2].contains("could not be checked: "), "{}", said[2]);
    assert!(said[2].contains("--swap kafka=kafka"), "{}", said[2]);
}
