//! The event log beside a real Apache Kafka: same machine, same disk, same clients, in one run.
//!
//! `cargo bench -p events --bench beside_kafka`
//!
//! Every producer has a connection of its own and sends one record of 200 bytes with acks=all, waits for
//! the acknowledgement, and sends the next. Both engines acknowledge what is on disk. They take turns, round
//! after round, so that a machine that slows down slows down both; the figures are those of all rounds
//! together. Then: the memory of both, and how long the event log takes to recover 100 MiB.
//!
//! Read the ratios, not the figures: those are this machine's.

#[path = "../tests/suite/client.rs"]
mod client;
#[path = "../../../../tests/src/engines.rs"]
mod engines;
#[path = "../tests/suite/process.rs"]
mod process;

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use events::testing::batch;
use hop::clock;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, ProduceResponse};

use client::{Client, name, produce};
use engines::{Engine, did_not_run};
use process::{Events, LIMIT};

const ROUNDS: usize = 4;
const ROUND: Duration = Duration::from_secs(4);
/// A JVM compiles what is called often: before that it would be compared unfairly.
const WARM_UP: Duration = Duration::from_secs(8);
const RECORD: usize = 200;
const PARTITIONS: i32 = 3;
const RECOVER: u64 = 100 << 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        // `cargo test --benches` only wants to know that it builds.
        if std::env::args().any(|argument| argument == "--bench") {
            beside_kafka().await;
            recovery().await;
        }
    });
}

/// Waits until it has recovered: it listens before, and answers after.
async fn answers(events: &Events) {
    create_topic(&mut events.connect().await, "answers").await.expect("an answer");
}

async fn connect(address: SocketAddr) -> Client {
    hop::wait::until("the server to listen", LIMIT, async || Client::connect(address).await.ok())
        .await
        .expect("a connection")
}

/// `None` as long as it cannot be used.
async fn create_topic(client: &mut Client, topic: &'static str) -> Option<()> {
    let wanted = CreatableTopic::default()
        .with_name(name(topic))
        .with_num_partitions(PARTITIONS)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_timeout_ms(10_000).with_topics(vec![wanted]);
    let _: CreateTopicsResponse = client.call(4, &request).await;
    for partition in 0..PARTITIONS {
        let answer: ProduceResponse = client.call(9, &produce(topic, partition, batch(&["first"]), -1)).await;
        (answer.responses[0].partition_responses[0].error_code == 0).then_some(())?;
    }
    Some(())
}

/// What one engine did with one number of producers.
#[derive(Default)]
struct Figures {
    /// Acknowledgements, each with how long it took.
    latencies: Vec<Duration>,
    time: Duration,
}

impl Figures {
    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// In milliseconds.
    fn quantile(&mut self, quantile: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = (self.latencies.len() as f64 * quantile) as usize;
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// Closed loop: so many producers, each with one record under way, for so long.
async fn load(address: SocketAddr, producers: usize, time: Duration, into: &mut Figures) {
    let mut clients = Vec::new();
    for _ in 0..producers {
        clients.push(connect(address).await);
    }
    let begun = clock::monotonic();
    let tasks = clients
        .into_iter()
        .zip((0..PARTITIONS).cycle())
        .map(|(client, partition)| tokio::spawn(producer(client, partition, begun + time)));
    for task in tasks.collect::<Vec<_>>() {
        into.latencies.extend(task.await.expect("no panic"));
    }
    into.time += clock::since(begun);
}

async fn producer(mut client: Client, partition: i32, until: Instant) -> Vec<Duration> {
    let record = batch(&["x".repeat(RECORD).as_str()]);
    // Encoded once: the client should cost as little as it can of the cores it shares.
    let frame = Client::encode(9, 1, &produce("load", partition, record, -1));
    let mut latencies = Vec::new();
    while clock::monotonic() < until {
        let sent = clock::monotonic();
        client.send_raw(&frame).await;
        let answer = client.receive_frame().await;
        latencies.push(clock::since(sent));
        assert!(acknowledged(answer), "everything is acknowledged");
    }
    latencies
}

fn acknowledged(frame: Bytes) -> bool {
    let response: ProduceResponse = Client::decode(9, frame);
    response.responses[0].partition_responses[0].error_code == 0
}

async fn beside_kafka() {
    let data = tempfile::tempdir().expect("a folder");
    let events = Events::start(data.path(), &[]);
    let kafka = match Engine::kafka(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")).await {
        Ok(kafka) => Some(kafka),
        Err(why) => {
            did_not_run("the comparison with Apache Kafka", &why);
            None
        }
    };
    let mut engines = vec![("events", events.address)];
    engines.extend(kafka.as_ref().map(|kafka| ("Apache Kafka", kafka.address())));
    for (_, address) in &engines {
        hop::wait::until("a topic", LIMIT, async || create_topic(&mut connect(*address).await, "load").await)
            .await
            .expect("a topic");
        load(*address, 64, WARM_UP, &mut Figures::default()).await;
    }
    println!(
        "acks=all, records of {RECORD} bytes, {PARTITIONS} partitions, {ROUNDS} rounds of {ROUND:?} each"
    );
    for producers in [1, 64] {
        let mut figures: Vec<Figures> = engines.iter().map(|_| Figures::default()).collect();
        for _ in 0..ROUNDS {
            for ((_, address), into) in engines.iter().zip(&mut figures) {
                load(*address, producers, ROUND, into).await;
            }
        }
        let mut rows = Vec::new();
        for ((engine, _), figures) in engines.iter().zip(&mut figures) {
            let row = [figures.rate(), figures.quantile(0.5), figures.quantile(0.99)];
            let [rate, p50, p99] = row;
            println!(
                "{producers:>3} producers  {engine:<12}  {rate:>7.0} acknowledged/s  p50 {p50:.2} ms  p99 {p99:.2} ms"
            );
            rows.push(row);
        }
        if let [ours, theirs] = rows[..] {
            let [rate, p50, p99] = std::array::from_fn(|at| ours[at] / theirs[at]);
            println!(
                "{producers:>3} producers  events / Kafka: rate × {rate:.2} (≥ 1 is the aim), p50 × {p50:.2}, p99 × {p99:.2} (≤ 1 is the aim)"
            );
        }
    }
    println!("memory at its highest: events {} MiB (< 50 is the aim)", highest_mib(events.process.id()));
    if let Some(kafka) = &kafka {
        println!("memory at its highest: Apache Kafka {} MiB", highest_mib(kafka.pid().unwrap_or(0)));
    }
}

/// Resident memory at its highest.
fn highest_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kib / 1024
}

/// 100 MiB of the smallest batches there are in practice: the worst case for who reads batch by batch.
async fn recovery() {
    let data = tempfile::tempdir().expect("a folder");
    let folder = data.path().join("topics/log/0");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(data.path().join("runs"), "1\n").expect("write");
    let mut record = batch(&["x".repeat(RECORD).as_str()]).to_vec();
    let mut file = BufWriter::new(File::create(folder.join("00000000000000000000.log")).expect("a file"));
    let mut offset = 0_i64;
    for _ in 0..RECOVER / record.len() as u64 {
        record[..8].copy_from_slice(&offset.to_be_bytes());
        file.write_all(&record).expect("write");
        offset += 1;
    }
    file.into_inner().expect("write").sync_all().expect("sync");
    // One segment that was never sealed: every byte of it is verified.
    let begun = clock::monotonic();
    let events = Events::start(data.path(), &[("SEGMENT_BYTES", "1073741824")]);
    answers(&events).await;
    let time = clock::since(begun).as_secs_f64() * 1e3;
    println!("recovery of 100 MiB ({offset} batches): {time:.0} ms until it answers (< 1000 is the aim)");
    let memory = highest_mib(events.process.id());
    println!("memory with it: {memory} MiB");
    assert!(TcpStream::connect(events.address).is_ok());
}
