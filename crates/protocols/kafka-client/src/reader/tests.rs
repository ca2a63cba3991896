use bytes::Bytes;
use kafka_protocol::records::TimestampType;

use super::*;

fn record(key: &'static str, timestamp: i64) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp,
        key: Some(Bytes::from_static(key.as_bytes())),
        value: None,
        headers: Default::default(),
    }
}

/// A reader of partitions that report this and then wait for ever.
fn reading(follow: bool, partitions: Vec<Vec<Update>>) -> Reader {
    Reader::of(
        follow,
        partitions.into_iter().map(|updates| {
            move |sender: mpsc::Sender<Update>| async move {
                for update in updates {
                    let _ = sender.send(update).await;
                }
                std::future::pending::<()>().await;
            }
        }),
    )
}

/// The keys of so many records, and the notes between them.
async fn keys(reader: &mut Reader, count: usize) -> Vec<String> {
    let mut keys = Vec::new();
    while keys.len() < count {
        match reader.next().await.expect("no failure") {
            Some(Next::Record(_, record)) => {
                keys.push(String::from_utf8_lossy(&record.key.expect("a key")).into_owned());
            }
            Some(Next::Note(note)) => keys.push(format!("({note})")),
            None => break,
        }
    }
    keys
}

fn refused() -> Failure {
    crate::failure::refused("no")
}

#[tokio::test]
async fn what_was_there_is_one_story() {
    let one = vec![
        Update::Records(vec![record("a1", 10), record("a2", 30)]),
        Update::Records(vec![record("a2", 30), record("a3", 35)]),
        Update::CaughtUp,
    ];
    let two = vec![
        Update::Records(vec![record("b1", 20)]),
        Update::Records(vec![record("b2", 40)]),
        Update::CaughtUp,
    ];
    let mut reader = reading(false, vec![one, vec![Update::CaughtUp], two]);
    assert_eq!(keys(&mut reader, 9).await, ["a1", "b1", "a2", "a2", "a3", "b2"]);
}

#[tokio::test]
async fn a_broker_that_is_gone_is_told_of_once_and_awaited() {
    let partition = |first: &'static str, then: &'static str| {
        vec![
            Update::Records(vec![record(first, 1)]),
            Update::CaughtUp,
            Update::Unavailable(refused()),
            Update::Recovered,
            Update::Records(vec![record(then, 2)]),
        ]
    };
    let mut reader = reading(true, vec![partition("a", "b"), partition("c", "d")]);
    let mut all = keys(&mut reader, 6).await;
    let notes: Vec<String> = all.extract_if(.., |key| key.starts_with('(')).collect();
    assert!(notes[0].contains("answered: no") && notes[1] == "(Kafka is back)", "{notes:?}");
    all.sort();
    assert_eq!(all, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_broker_that_stays_away_is_a_failure_unless_it_is_awaited() {
    let mut reader = reading(false, vec![vec![Update::Failed(refused())]]);
    let failure = reader.next().await.expect_err("it failed");
    assert_eq!(failure.describe(), "kafka answered: no");
}
