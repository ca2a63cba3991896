//! What was acknowledged is there after `kill -9`. The real program, killed in the middle of its work.

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FetchResponse, MetadataRequest, MetadataResponse, ProduceResponse};

use events::testing::{batch, records};

use crate::client::{Client, fetch, name, produce};
use crate::process::Events;

const ROUNDS: usize = 4;
/// Requests sent before looking at answers, so that a kill finds some in every stage.
const UNDER_WAY: usize = 20;

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let data = tempfile::tempdir().expect("a folder");
    let mut acknowledged: Vec<(i64, String)> = Vec::new();
    let mut sent = 0;
    for round in 0..ROUNDS {
        let process = Events::start(data.path(), &[]);
        let mut client = process.connect().await;
        let topic = MetadataRequestTopic::default().with_name(Some(name("t")));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        let _: MetadataResponse = client.call(9, &request).await;

        let mut values = Vec::new();
        for _ in 0..UNDER_WAY * (round + 2) {
            let value = format!("value-{sent}");
            client.send(9, &produce("t", 0, batch(&[&value]), -1)).await;
            values.push(value);
            sent += 1;
        }
        // Some answers, then the kill, then whatever had left before it.
        let mut process = Some(process);
        for (number, value) in values.into_iter().enumerate() {
            if number == UNDER_WAY {
                process.take();
            }
            let Ok(frame) = client.try_receive_frame().await else { break };
            let response: ProduceResponse = Client::decode(9, frame);
            let partition = &response.responses[0].partition_responses[0];
            assert_eq!(partition.error_code, 0);
            acknowledged.push((partition.base_offset, value));
        }
    }
    assert!(acknowledged.len() >= ROUNDS * UNDER_WAY);

    let process = Events::start(data.path(), &[]);
    let mut client = process.connect().await;
    let response: FetchResponse = client.call(12, &fetch("t", 0, 0, 0)).await;
    let readable = records(response.responses[0].partitions[0].records.clone().unwrap_or_default());
    assert!(readable.iter().map(|(offset, _)| *offset).eq(0..i64::try_from(readable.len()).expect("fits")));
    for record in &acknowledged {
        assert!(readable.contains(record), "{record:?} was acknowledged and is gone");
    }
}
