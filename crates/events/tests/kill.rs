//! What was acknowledged is there after `kill -9`. The real program, killed in the middle of its work.

#[path = "../src/testing.rs"]
mod testing;

mod client;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{FetchResponse, MetadataRequest, MetadataResponse, ProduceResponse};

use client::{Client, fetch, name, produce};
use testing::{batch, records};

const ROUNDS: usize = 4;
/// Requests sent before looking at answers, so that a kill finds some in every stage.
const UNDER_WAY: usize = 20;

/// A server process. Dropping it is `kill -9`.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn start(address: SocketAddr, data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_events"));
        command.env("LISTEN", address.to_string()).env("DATA_DIR", data).env("RUST_LOG", "warn");
        command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT").env_remove("ADMIN").env_remove("ADVERTISED");
        Process(command.stdin(Stdio::null()).spawn().expect("start the server"))
    }
}

async fn connect(address: SocketAddr) -> Client {
    let limit = Duration::from_secs(20);
    hop::wait::until("the server to listen", limit, async || Client::connect(address).await.ok())
        .await
        .expect("a connection")
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let data = tempfile::tempdir().expect("a folder");
    // A port that is free now: the process must have the same one after each restart.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr()).expect("a port");
    let mut acknowledged: Vec<(i64, String)> = Vec::new();
    let mut sent = 0;
    for round in 0..ROUNDS {
        let process = Process::start(address, data.path());
        let mut client = connect(address).await;
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

    let _process = Process::start(address, data.path());
    let mut client = connect(address).await;
    let response: FetchResponse = client.call(12, &fetch("t", 0, 0, 0)).await;
    let readable = records(response.responses[0].partitions[0].records.clone().unwrap_or_default());
    assert!(readable.iter().map(|(offset, _)| *offset).eq(0..i64::try_from(readable.len()).expect("fits")));
    for record in &acknowledged {
        assert!(readable.contains(record), "{record:?} was acknowledged and is gone");
    }
}
