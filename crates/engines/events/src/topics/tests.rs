use std::fs;

use super::{CreateError, MAX_NAME, Topics};
use crate::limits::MAX_PARTITIONS;
use crate::retention::Retention;

#[tokio::test]
async fn topics_are_there_after_reopening() {
    let data = tempfile::tempdir().expect("a folder");
    let topics = Topics::open(data.path(), Retention::default()).expect("open");
    topics.create("item-added", 3, true).await.expect("create");
    assert!(matches!(topics.create("item-added", 3, true).await, Err(CreateError::Exists)));
    topics.create("looked-at", 1, false).await.expect("could be created");
    assert!(topics.get("looked-at").is_none());
    assert!(data.path().join("topics/item-added/2/00000000000000000000.log").is_file());
    drop(topics);
    // A crash in the middle of a creation leaves this.
    fs::create_dir_all(data.path().join("creating/half/0")).expect("a folder");
    let topics = Topics::open(data.path(), Retention::default()).expect("open");
    let all: Vec<_> = topics.all().into_iter().map(|(name, partitions)| (name, partitions.len())).collect();
    assert_eq!(all, [("item-added".to_owned(), 3)]);
    assert!(topics.partition("item-added", 2).is_some());
    assert!(topics.partition("item-added", 3).is_none());
    assert!(topics.partition("item-added", -1).is_none());
}

#[tokio::test]
async fn names_cannot_leave_the_folder() {
    let data = tempfile::tempdir().expect("a folder");
    let topics = Topics::open(data.path(), Retention::default()).expect("open");
    let long = "x".repeat(MAX_NAME + 1);
    for name in ["", ".", "..", "../up", "a/b", "a\0b", "ä", " ", &long] {
        assert!(matches!(topics.create(name, 1, true).await, Err(CreateError::Name)), "{name:?} was taken");
    }
    let longest = "x".repeat(MAX_NAME);
    for name in ["...", ".hidden", "A_b-9.z", &longest] {
        topics.create(name, 1, true).await.unwrap_or_else(|error| panic!("{name:?}: {error}"));
    }
}

#[tokio::test]
async fn partitions_are_limited() {
    let data = tempfile::tempdir().expect("a folder");
    let topics = Topics::open(data.path(), Retention::default()).expect("open");
    let all = i32::try_from(MAX_PARTITIONS).expect("fits");
    for count in [0, -1, i32::MIN, all + 1, i32::MAX] {
        assert!(matches!(topics.create("t", count, true).await, Err(CreateError::Partitions)), "{count}");
    }
    topics.create("first", 2, true).await.expect("create");
    assert!(matches!(topics.create("second", all - 1, true).await, Err(CreateError::Full)));
}

#[test]
fn a_missing_partition_is_missing_data() {
    let data = tempfile::tempdir().expect("a folder");
    for number in [0, 2] {
        let folder = data.path().join(format!("topics/t/{number}"));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("00000000000000000000.log"), "").expect("a file");
    }
    let error = Topics::open(data.path(), Retention::default()).expect_err("refused").to_string();
    assert!(error.contains("1 is not one of them"), "{error}");
}
