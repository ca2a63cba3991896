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

fn a_plan(swaps: &[&str], sets: &[String]) -> Plan {
    let swaps: Vec<String> = swaps.iter().map(|swap| (*swap).to_owned()).collect();
    let folder = std::path::Path::new("");
    Plan::parse("lab.toml", plan::DEFAULT, folder, sets, &swaps).expect("a good plan")
}

#[tokio::test]
async fn who_does_not_tell_is_named() {
    assert_eq!(warnings(&a_plan(&[], &[])).await, Vec::<String>::new(), "the lab's own are durable");
    let (nobody, deaf) = (hop::listen::own_loopback(), hop::listen::own_loopback());
    let listener = std::net::TcpListener::bind(deaf).expect("an address of one's own");
    let sets = [format!("hop.redis.external=redis://{deaf}"), format!("hop.kafka.external=kafka://{nobody}")];
    let said = warnings(&a_plan(&["resolver=/usr/bin/my-resolver --fast"], &sets)).await;
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

#[tokio::test]
async fn redis_tells_its_settings_after_the_login_of_its_url() {
    let reply = |name: &str, value: &str| {
        format!("*2\r\n${}\r\n{name}\r\n${}\r\n{value}\r\n", name.len(), value.len())
    };
    let script = vec!["+OK\r\n".to_owned(), reply("appendonly", "yes"), reply("appendfsync", "everysec")];
    let (address, server) = redis_client::testing::scripted(script).await;
    let plan = a_plan(&[], &[format!("hop.redis.external=redis://anna:se@cret@{address}")]);
    let said = warnings(&plan).await;
    assert!(said[0].contains("appendfsync is everysec"), "{said:?}");
    let received = server.await.expect("no panic");
    assert_eq!(
        received,
        [
            "*3 $4 AUTH $4 anna $7 se@cret ",
            "*3 $6 CONFIG $3 GET $10 appendonly ",
            "*3 $6 CONFIG $3 GET $11 appendfsync "
        ]
    );

    for (reply, said) in [
        ("-ERR unknown command\r\n", "could not be checked: redis answered: ERR unknown command"),
        ("HTTP/1.1 400\r\n", "could not be checked: redis answered: "),
        ("*0\r\n", "it has no setting `appendonly`"),
    ] {
        let (address, _server) = redis_client::testing::scripted(vec![reply.to_owned(); 2]).await;
        let warnings = warnings(&a_plan(&[], &[format!("hop.redis.external=redis://{address}")])).await;
        assert!(warnings[0].contains(said), "{warnings:?}");
    }
}
