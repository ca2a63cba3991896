use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::Broker;
use crate::config::Advertised;
use crate::retention::Retention;

fn open(data: &Path) -> anyhow::Result<Arc<Broker>> {
    let advertised = Advertised { host: "127.0.0.1".into(), port: 9092 };
    Broker::open(data, advertised, 3, Retention::default()).map(|(broker, _ended)| broker)
}

#[test]
fn two_cannot_share_a_data_folder() {
    let data = tempfile::tempdir().expect("a folder");
    let first = open(data.path()).expect("open");
    let error = open(data.path()).expect_err("refused").to_string();
    assert!(error.contains("another process uses"), "{error}");
    drop(first);
    open(data.path()).expect("free again");
}

#[tokio::test]
async fn producer_ids_are_never_given_twice() {
    let data = tempfile::tempdir().expect("a folder");
    let mut given = std::collections::HashSet::new();
    for _ in 0..3 {
        let broker = open(data.path()).expect("open");
        for _ in 0..100 {
            assert!(given.insert(broker.new_producer().expect("an id")));
        }
    }
    let broker = open(data.path()).expect("open");
    broker.topics.create("t", 1, true).await.expect("create");
    drop(broker);
    // Losing count is not shrugged off once there are records.
    fs::remove_file(data.path().join("runs")).expect("remove");
    assert!(open(data.path()).expect_err("refused").to_string().contains("runs"));
    fs::write(data.path().join("runs"), "many").expect("write");
    assert!(open(data.path()).expect_err("refused").to_string().contains("damaged"));
}
