use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser as _;
use dns::config::Settings;
use dns::server::run;
use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use hop::listen::Pair;
use hop::{CancellationToken, Hop, Telemetry};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use crate::{data, query, zone_file};

const LIMIT: Duration = Duration::from_secs(10);

struct Running {
    address: SocketAddr,
    telemetry: Telemetry,
    stop: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

async fn start(file: &std::path::Path) -> Running {
    let zones = format!("myshop.com.={}", file.display());
    let settings = Settings::try_parse_from(["dns", "--listen", "127.0.0.1:0", "--zone", &zones]).unwrap();
    let sockets = Pair::bind(settings.listen).await.unwrap();
    let address = sockets.address().unwrap();
    let (telemetry, stop) = (Telemetry::memory("dns"), CancellationToken::new());
    let hop = Hop::for_tests("dns", telemetry.clone(), stop.clone());
    let admin = hop.admin.clone();
    let zones = settings.load_zones().unwrap();
    let task = tokio::spawn(run(sockets, zones, settings, hop));
    hop::wait::until("the server to be ready", LIMIT, async || admin.is_ready().then_some(())).await.unwrap();
    Running { address, telemetry, stop, task }
}

async fn exchange(socket: &UdpSocket, query: &Message) -> Message {
    socket.send(&query.to_vec().unwrap()).await.unwrap();
    let mut buffer = [0; 4096];
    let length = tokio::time::timeout(LIMIT, socket.recv(&mut buffer)).await.expect("an answer").unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

async fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket
}

async fn span(telemetry: &Telemetry) -> Span {
    hop::wait::until("a span", LIMIT, async || telemetry.take().pop()).await.unwrap()
}

#[tokio::test]
async fn a_datagram_is_answered_and_told_of() {
    let server = start(&zone_file("myshop.com.zone")).await;
    let socket = client(server.address).await;
    socket.send(b"not a question").await.unwrap();
    let query = query("api.myshop.com.", RecordType::A);
    let reply = exchange(&socket, &query).await;
    // The garbage was answered first: with FORMERR, under the id that its first bytes make.
    let reply = if reply.id == query.id { reply } else { exchange(&socket, &query).await };
    assert_eq!(data(&reply.answers), ["api.myshop.com. A 127.0.113.50"]);

    let span = hop::wait::until("the query's span", LIMIT, async || {
        server.telemetry.take().into_iter().find(|span| span.name == "A api.myshop.com.")
    });
    let span = span.await.unwrap();
    assert_eq!((span.kind, span.parent), (Kind::Server, None));
    assert_eq!(span.text(attribute::DNS_RESPONSE_CODE), Some("NOERROR"));
    assert_eq!(span.text(attribute::DNS_QUESTION_TYPE), Some("A"));
    assert_eq!(span.text(attribute::NETWORK_TRANSPORT), Some("udp"));
    let wake = span.stamp(Direction::Request, Event::Wake).unwrap();
    let tx = span.stamp(Direction::Response, Event::Tx).unwrap();
    for stamp in [wake, tx] {
        assert_eq!(stamp.offset, u64::from(query.id));
        assert_eq!(stamp.flow.transport, Transport::Udp);
        assert_eq!((stamp.flow.client, stamp.flow.server), (socket.local_addr().unwrap(), server.address));
    }
    assert!(wake.at <= tx.at && (span.start, span.end) == (wake.at, tx.at));
    server.stop.cancel();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_carries_many_questions_and_counts_its_bytes() {
    let server = start(&zone_file("myshop.com.zone")).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let (mut sent, mut received) = (0, 0);
    for (name, kind, answers) in
        [("big.myshop.com.", RecordType::TXT, 12), ("api.myshop.com.", RecordType::A, 1)]
    {
        let bytes = query(name, kind).to_vec().unwrap();
        stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        sent += 2 + bytes.len() as u64;
        let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut reply).await.unwrap();
        received += 2 + reply.len() as u64;
        assert_eq!(Message::from_vec(&reply).unwrap().answers.len(), answers);
        let span = span(&server.telemetry).await;
        assert_eq!(span.stamp(Direction::Request, Event::Wake).unwrap().offset, sent);
        assert_eq!(span.stamp(Direction::Response, Event::Tx).unwrap().offset, received);
    }
    // An idle connection does not hold up the end.
    server.stop.cancel();
    tokio::time::timeout(LIMIT, server.task).await.expect("an end").unwrap().unwrap();
}

#[tokio::test]
async fn many_questions_in_one_segment_are_all_answered_after_the_client_has_closed_its_side() {
    let server = start(&zone_file("myshop.com.zone")).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // More than may be unanswered at once.
    let queries: Vec<Message> = (0..100).map(|_| query("big.myshop.com.", RecordType::TXT)).collect();
    let frames = queries.iter().flat_map(|query| dnswire::framed(&query.to_vec().unwrap()).unwrap());
    stream.write_all(&frames.collect::<Vec<_>>()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut frames = dnswire::Frames::new(stream);
    let mut ids = Vec::new();
    while let Some(bytes) = tokio::time::timeout(LIMIT, frames.next()).await.expect("an answer").unwrap() {
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.answers.len(), 12);
        ids.push(reply.id);
    }
    let mut sent: Vec<u16> = queries.iter().map(|query| query.id).collect();
    sent.sort_unstable();
    ids.sort_unstable();
    assert_eq!(ids, sent);
    server.stop.cancel();
    server.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn sighup_replaces_the_zone_and_a_broken_file_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.zone");
    let text = std::fs::read_to_string(zone_file("myshop.com.zone")).unwrap();
    std::fs::write(&path, &text).unwrap();
    let server = start(&path).await;
    let socket = client(server.address).await;
    let query = query("api.myshop.com.", RecordType::A);
    assert_eq!(data(&exchange(&socket, &query).await.answers), ["api.myshop.com. A 127.0.113.50"]);

    let moved = text.replace("127.0.113.50", "127.0.113.51");
    std::fs::write(&path, format!("{moved}\nbroken IN A nowhere\n")).unwrap();
    hang_up();
    // Broken: the old zone stays. A good file after it is taken, which also shows that the first
    // signal was handled.
    assert_eq!(data(&exchange(&socket, &query).await.answers), ["api.myshop.com. A 127.0.113.50"]);
    std::fs::write(&path, moved).unwrap();
    hang_up();
    hop::wait::until("the new address", LIMIT, async || {
        let answers = data(&exchange(&socket, &query).await.answers);
        (answers == ["api.myshop.com. A 127.0.113.51"]).then_some(())
    })
    .await
    .unwrap();
    server.stop.cancel();
    server.task.await.unwrap().unwrap();
}

/// Sends this process SIGHUP; the server's handler is installed before it says that it is ready.
fn hang_up() {
    let pid = std::process::id().to_string();
    assert!(std::process::Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
}
