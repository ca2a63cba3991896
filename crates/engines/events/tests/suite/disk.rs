//! When the disk is full, when it lies, and when it is to be kept small: the real program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    FetchResponse, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceResponse,
};

use events::testing::{Sent, batch, records};

use crate::client::{Client, fetch, list_offsets, name, produce};
use crate::engines::did_not_run;
use crate::process::{Events, LIMIT};
use crate::small_disk::SmallDisk;

async fn with_topic(events: &Events) -> Client {
    let mut client = events.connect().await;
    let topic = MetadataRequestTopic::default().with_name(Some(name("t")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    let known: MetadataResponse = client.call(9, &request).await;
    assert_eq!(known.topics[0].error_code, 0);
    client
}

/// Error code and base offset.
async fn send(client: &mut Client, sent: Sent<'_>) -> (i16, i64) {
    let response: ProduceResponse = client.call(9, &produce("t", 0, sent.bytes(), -1)).await;
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

/// Error code and records.
async fn get(client: &mut Client, offset: i64) -> (i16, Vec<(i64, String)>) {
    let response: FetchResponse = client.call(12, &fetch("t", 0, offset, 0)).await;
    let partition = &response.responses[0].partitions[0];
    (partition.error_code, records(partition.records.clone().unwrap_or_default()))
}

async fn all(client: &mut Client) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    loop {
        let (code, some) = get(client, i64::try_from(all.len()).expect("fits")).await;
        assert_eq!(code, 0);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn log(data: &Path, base_offset: i64) -> PathBuf {
    data.join(format!("topics/t/0/{base_offset:020}.log"))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("read the file");
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("write the file");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_nothing_and_recovers() {
    let disk = match SmallDisk::mount(4) {
        Ok(disk) => disk,
        Err(why) => return did_not_run("the full disk", &why),
    };
    let filler = disk.path().join("filler");
    fs::write(&filler, vec![1; 2 << 20]).expect("fill half of the disk");
    let data = disk.path().join("data");
    // Segments are begun while the disk fills, too.
    let settings = [("SEGMENT_BYTES", "300000")];
    let events = Events::start(&data, &settings);
    let mut client = with_topic(&events).await;
    let padding = "x".repeat(50_000);
    let mut acknowledged = Vec::new();
    let mut sequence = 0;
    let mut refused = 0;
    while refused < 5 {
        let value = format!("{sequence} {padding}");
        let values = &[value.as_str()][..];
        match send(&mut client, Sent { values, producer: 7, epoch: 0, sequence, ..Sent::default() }).await {
            (0, offset) => {
                acknowledged.push((offset, value));
                sequence += 1;
            }
            (code, _) => {
                assert_eq!(code, ResponseError::KafkaStorageError.code());
                refused += 1;
            }
        }
        assert!(sequence < 100, "the disk never fills");
    }
    assert!(acknowledged.len() > 20);
    assert!(events.said().contains("the log cannot be written"), "{}", events.said());
    assert_eq!(all(&mut client).await, acknowledged, "reading goes on");

    fs::remove_file(&filler).expect("make room");
    for _ in 0..5 {
        let value = format!("{sequence} again");
        let values = &[value.as_str()][..];
        let sent = Sent { values, producer: 7, epoch: 0, sequence, ..Sent::default() };
        let (code, offset) = send(&mut client, sent).await;
        assert_eq!((code, offset), (0, i64::from(sequence)), "it goes on where it was");
        acknowledged.push((offset, value));
        sequence += 1;
    }
    drop(events);
    let events = Events::start(&data, &settings);
    assert_eq!(all(&mut events.connect().await).await, acknowledged);
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_named_and_what_is_before_it_kept() {
    let data = tempfile::tempdir().expect("a folder");
    let settings = [("SEGMENT_BYTES", "4096")];
    let value = "x".repeat(1_000);
    let length = batch(&[&value]).len();
    {
        let events = Events::start(data.path(), &settings);
        let mut client = with_topic(&events).await;
        // Four to a segment: 0, 4, 8.
        for offset in 0..10 {
            assert_eq!(send(&mut client, Sent { values: &[&value], ..Sent::default() }).await, (0, offset));
        }
    }
    let sealed = log(data.path(), 4);
    flip(&sealed, 2 * length + 500);
    {
        let events = Events::start(data.path(), &settings);
        let mut client = events.connect().await;
        assert_eq!(get(&mut client, 0).await.1.len(), 4);
        let (code, before) = get(&mut client, 4).await;
        assert_eq!((code, before.len()), (0, 2), "everything before it");
        assert_eq!(get(&mut client, 6).await.0, ResponseError::CorruptMessage.code());
        let named = format!("{} is damaged at byte {}", sealed.display(), 2 * length);
        assert!(events.said().contains(&named), "{}", events.said());
        assert_eq!(get(&mut client, 8).await.1.len(), 2, "other segments are not concerned");
        assert_eq!(send(&mut client, Sent::default()).await, (0, 10));
    }
    // In the segment that was being written it is found at start, put aside, and the rest is served.
    let active = log(data.path(), 8);
    let whole = fs::read(&active).expect("the segment");
    flip(&active, 70);
    for again in [false, true] {
        let events = Events::start(data.path(), &settings);
        let mut client = events.connect().await;
        let left: Vec<i64> = get(&mut client, 8).await.1.into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(left, if again { vec![9, 10, 11] } else { vec![9, 10] });
        if !again {
            let said = events.said();
            let loud = "DAMAGED: the records with offsets 8 to 8 can't be read, and were acknowledged";
            assert!(said.contains(loud) && said.contains(".damaged-0"), "{said}");
            assert_eq!(send(&mut client, Sent::default()).await, (0, 11), "no offset is given again");
        }
    }
    let aside = fs::read(active.with_extension("damaged-0")).expect("the bytes that were put aside");
    assert_eq!((aside.len(), &aside[..70], &aside[71..]), (length, &whole[..70], &whole[71..length]));
}

/// Everything that was acknowledged stays, whatever becomes of the last batch: killed, damaged, started, again.
#[tokio::test]
async fn a_flip_in_the_last_acknowledged_batch_is_not_called_an_unfinished_write() {
    let data = tempfile::tempdir().expect("a folder");
    let one = Sent::default().bytes().len();
    {
        let events = Events::start(data.path(), &[]);
        let mut client = with_topic(&events).await;
        for offset in 0..3 {
            assert_eq!(send(&mut client, Sent::default()).await, (0, offset));
        }
    }
    flip(&log(data.path(), 0), 3 * one - 5);
    let events = Events::start(data.path(), &[]);
    let mut client = events.connect().await;
    assert_eq!(get(&mut client, 0).await.1.len(), 2);
    let said = events.said();
    assert!(said.contains("offsets 2 to 2 can't be read, and were acknowledged"), "{said}");
    assert!(!said.contains("never acknowledged"), "{said}");
    assert_eq!(send(&mut client, Sent::default()).await, (0, 3), "its offset is not given again");
}

#[tokio::test]
async fn old_records_go_and_clients_are_told_where_the_log_begins() {
    let data = tempfile::tempdir().expect("a folder");
    let by_size = [("SEGMENT_BYTES", "4096"), ("RETENTION_BYTES", "5000"), ("RETENTION_MS", "3600000000000")];
    let value = "x".repeat(1_000);
    let start = async |client: &mut Client| {
        let answer: ListOffsetsResponse = client.call(7, &list_offsets("t", 0, -2)).await;
        answer.topics[0].partitions[0].offset
    };
    {
        let events = Events::start(data.path(), &by_size);
        let mut client = with_topic(&events).await;
        for offset in 0..17 {
            assert_eq!(send(&mut client, Sent { values: &[&value], ..Sent::default() }).await, (0, offset));
        }
        let wait = hop::wait::until("old segments to go", LIMIT, async || {
            (start(&mut client).await == 8).then_some(())
        });
        wait.await
            .expect("four records to a segment: without 8 to 11, less than 5000 bytes would have been left");
        assert_eq!(get(&mut client, 7).await.0, ResponseError::OffsetOutOfRange.code());
        assert_eq!(get(&mut client, 8).await.1.first().map(|(offset, _)| *offset), Some(8));
    }
    // These records say that they are from 1970.
    let events = Events::start(data.path(), &[("SEGMENT_BYTES", "4096"), ("RETENTION_MS", "1000")]);
    let mut client = events.connect().await;
    let wait = hop::wait::until("all to go", LIMIT, async || (start(&mut client).await == 17).then_some(()));
    wait.await.expect("nothing is left");
    assert_eq!(get(&mut client, 16).await.0, ResponseError::OffsetOutOfRange.code());
    assert_eq!(get(&mut client, 17).await, (0, Vec::new()));
    let now = i64::try_from(hop::clock::now() / 1_000_000).expect("fits") + 3_600_000;
    assert_eq!(send(&mut client, Sent { timestamp: now, ..Sent::default() }).await, (0, 17));
    assert!(!client.has_response(Duration::from_millis(300)).await);
    assert_eq!(get(&mut client, 17).await.1.len(), 1, "what is young stays");
}
