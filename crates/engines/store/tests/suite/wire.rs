//! The store from the outside: raw RESP over TCP, from `run(listener, ...)` to the last byte.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Parser as _;
use hop::{CancellationToken, Hop, Telemetry};
use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Span};
use store::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const LIMIT: Duration = Duration::from_secs(20);

/// A store on a port of its own.
struct Store {
    address: SocketAddr,
    telemetry: Telemetry,
    shutdown: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Store {
    async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    async fn start_with(data: &Path, more: &[&str]) -> Self {
        let data = data.to_str().expect("a path in UTF-8");
        let arguments = ["store", "--data-dir", data, "--listen", "127.0.0.1:0", "--appendfsync", "always"];
        let settings = Settings::try_parse_from(arguments.iter().chain(more)).expect("good settings");
        let listener = TcpListener::bind(settings.listen).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (telemetry, shutdown) = (Telemetry::memory("store"), CancellationToken::new());
        let hop = Hop::for_tests("store", telemetry.clone(), shutdown.clone());
        let task = tokio::spawn(store::run(listener, settings, hop));
        Self { address, telemetry, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the store listens")
    }

    /// Sends bytes, says goodbye (half-close), and returns everything that comes back.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.expect("it reads");
        stream.shutdown().await.expect("a half-close");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut answer)).await;
        read.expect("an end within the limit").expect("no reset");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        tokio::time::timeout(LIMIT, self.task).await.expect("it ends").expect("no panic")
    }
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
    bytes
}

async fn expect(stream: &mut TcpStream, reply: &str) {
    let mut bytes = vec![0; reply.len()];
    let read = tokio::time::timeout(LIMIT, stream.read_exact(&mut bytes)).await;
    read.unwrap_or_else(|_| panic!("no {reply:?} within the limit")).expect("a whole reply");
    assert_eq!(String::from_utf8_lossy(&bytes), reply);
}

/// Whose command is lost can't know whether it was done.
#[tokio::test]
async fn a_command_that_comes_with_the_end_is_answered() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let mut stream = store.connect().await;
    stream.write_all(b"PING\r\n").await.expect("it reads");
    expect(&mut stream, "+PONG\r\n").await;
    // In one step: nobody else runs in between.
    assert_eq!(stream.try_write(b"PING\r\n").expect("there is room"), 6);
    store.shutdown.cancel();
    expect(&mut stream, "+PONG\r\n").await;
    let rest = tokio::time::timeout(LIMIT, stream.read(&mut [0])).await;
    assert_eq!(rest.expect("an end").expect("no reset"), 0);
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let mut pipeline = command(&["SET", "greeting", "hello"]);
    for words in [
        &["MULTI"][..],
        &["HINCRBY", "cart:1", "PROD-123", "2"],
        &["XADD", "outbox", "7-1", "k", "v"],
        &["EXEC"],
    ] {
        pipeline.extend(command(words));
    }
    assert_eq!(
        store.exchange(&pipeline).await,
        "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:2\r\n$3\r\n7-1\r\n"
    );
    store.stop().await.expect("a good end");

    let store = Store::start(folder.path()).await;
    assert_eq!(
        store.exchange(b"GET greeting\r\nHGETALL cart:1\r\nXRANGE outbox - +\r\n").await,
        "$5\r\nhello\r\n*2\r\n$8\r\nPROD-123\r\n$1\r\n2\r\n*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n"
    );
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn a_second_store_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    assert_eq!(store.exchange(b"PING\r\n").await, "+PONG\r\n");
    let second = Store::start(folder.path()).await;
    let error = second.task.await.expect("no panic").expect_err("refused");
    assert!(error.to_string().contains("another process uses the data folder"), "{error}");
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn garbage_gets_an_error_and_a_close_and_others_are_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let long = "x".repeat(200_000);
    for (bytes, answer) in [
        (&b"*1\r\n$x\r\n"[..], "-ERR Protocol error: invalid bulk length\r\n"),
        (b"PING\r\n*x\r\nPING\r\n", "+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n"),
        (long.as_bytes(), "-ERR Protocol error: too big inline request\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a 1\r\n", ""),
        (b"*2\r\n$4\r\nECHO\r\n$3\r\nab", ""),
        (b"QUIT\r\nSET a 1\r\n", "+OK\r\n"),
        (b"", ""),
    ] {
        assert_eq!(store.exchange(bytes).await, answer, "{:.30}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(store.exchange(b"DBSIZE\r\n").await, ":0\r\n");
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn bytes_may_come_one_by_one_and_transactions_may_span_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let mut slow = store.connect().await;
    for byte in command(&["SET", "a", "1"]) {
        slow.write_all(&[byte]).await.expect("it reads");
    }
    expect(&mut slow, "+OK\r\n").await;
    slow.write_all(b"MULTI\r\nINCR a\r\n").await.expect("it reads");
    expect(&mut slow, "+OK\r\n+QUEUED\r\n").await;
    // Another client sees nothing of it yet.
    assert_eq!(store.exchange(b"GET a\r\n").await, "$1\r\n1\r\n");
    slow.write_all(b"EXEC\r\n").await.expect("it reads");
    expect(&mut slow, "*1\r\n:2\r\n").await;
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn a_long_pipeline_is_answered_in_full_and_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let value = "v".repeat(100_000);
    assert_eq!(store.exchange(&command(&["SET", "large", &value])).await, "+OK\r\n");
    let mut stream = store.connect().await;
    // Far more commands than a batch takes, with far larger replies than the executor sends at once.
    let (mut input, mut output) = stream.split();
    let send = async {
        for _ in 0..30 {
            output.write_all(&b"INCR n\r\nGET large\r\n".repeat(50)).await.expect("it reads");
        }
    };
    let receive = async {
        for number in 1..=1500 {
            let expected = format!(":{number}\r\n$100000\r\n{value}\r\n");
            let mut bytes = vec![0; expected.len()];
            input.read_exact(&mut bytes).await.expect("a whole reply");
            assert!(bytes == expected.as_bytes(), "reply {number}");
        }
    };
    tokio::time::timeout(LIMIT, async { tokio::join!(send, receive) }).await.expect("an end");
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_the_store_from_ending() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let value = "v".repeat(1 << 20);
    assert_eq!(store.exchange(&command(&["SET", "large", &value])).await, "+OK\r\n");
    let mut deaf = store.connect().await;
    deaf.write_all(&b"GET large\r\n".repeat(100)).await.expect("the kernel takes it");
    // Another client is served meanwhile, and its write survives the end.
    assert_eq!(store.exchange(b"SET a 1\r\n").await, "+OK\r\n");
    store.stop().await.expect("a good end");
    let store = Store::start(folder.path()).await;
    assert_eq!(store.exchange(b"GET a\r\n").await, "$1\r\n1\r\n");
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn more_connections_than_allowed_wait_for_a_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start_with(folder.path(), &["--max-connections", "1"]).await;
    let mut first = store.connect().await;
    first.write_all(b"PING\r\n").await.expect("it reads");
    expect(&mut first, "+PONG\r\n").await;
    let mut second = store.connect().await;
    second.write_all(b"INFO clients\r\n").await.expect("the kernel takes it");
    first.write_all(b"PING\r\n").await.expect("it reads");
    expect(&mut first, "+PONG\r\n").await;
    drop(first);
    expect(
        &mut second,
        "$65\r\n# Clients\r\nconnected_clients:1\r\nblocked_clients:0\r\nmaxclients:1\r\n\r\n",
    )
    .await;
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn a_silent_connection_is_closed_and_a_busy_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start_with(folder.path(), &["--timeout", "1"]).await;
    let (mut silent, mut busy) = (store.connect().await, store.connect().await);
    let mut end = Vec::new();
    let talk = async {
        loop {
            busy.write_all(b"PING\r\n").await.expect("it reads");
            expect(&mut busy, "+PONG\r\n").await;
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        closed = tokio::time::timeout(LIMIT, silent.read_to_end(&mut end)) => {
            closed.expect("an end within the limit").expect("no reset");
        }
        () = talk => {}
    }
    busy.write_all(b"PING\r\n").await.expect("it reads");
    expect(&mut busy, "+PONG\r\n").await;
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn a_reader_that_blocks_gets_what_comes_and_holds_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let mut reader = store.connect().await;
    // What it says after it waits its turn; `$` means from now on.
    reader.write_all(b"XREAD BLOCK 0 STREAMS o p $ 0\r\nPING\r\n").await.expect("it reads");
    let waiting = async |count: usize| {
        let line = format!("blocked_clients:{count}\r\n");
        let look = async || store.exchange(b"INFO clients\r\n").await.contains(&line).then_some(());
        hop::wait::until(line.clone(), LIMIT, look).await.expect("it waits");
    };
    waiting(1).await;
    // A change elsewhere wakes it for nothing.
    assert_eq!(store.exchange(b"SET a 1\r\nXADD o 7-1 k v\r\n").await, "+OK\r\n$3\r\n7-1\r\n");
    let entry = "*1\r\n*2\r\n$1\r\no\r\n*1\r\n*2\r\n$3\r\n7-1\r\n*2\r\n$1\r\nk\r\n$1\r\nv\r\n";
    expect(&mut reader, &format!("{entry}+PONG\r\n")).await;
    // Patience ends; and there is none within a transaction.
    reader.write_all(b"XREAD BLOCK 20 STREAMS o $\r\n").await.expect("it reads");
    expect(&mut reader, "*-1\r\n").await;
    reader.write_all(b"MULTI\r\nXREAD BLOCK 0 STREAMS o $\r\nEXEC\r\n").await.expect("it reads");
    expect(&mut reader, "+OK\r\n+QUEUED\r\n*1\r\n*-1\r\n").await;
    // Who leaves while waiting is gone.
    reader.write_all(b"XREAD BLOCK 0 STREAMS o $\r\n").await.expect("it reads");
    waiting(1).await;
    drop(reader);
    waiting(0).await;
    // And nobody who waits keeps the store from ending.
    let mut reader = store.connect().await;
    reader.write_all(b"XREAD BLOCK 0 STREAMS o $\r\n").await.expect("it reads");
    waiting(1).await;
    store.stop().await.expect("a good end");
}

#[tokio::test]
async fn info_tells_what_people_and_tools_look_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start_with(folder.path(), &["--max-memory", "1048576"]).await;
    let text = store.exchange(b"SET a 1\r\nINFO\r\n").await;
    for line in [
        "used_memory:",
        "used_memory_human:",
        "used_memory_rss:",
        "maxmemory_human:1.00M",
        "aof_enabled:1",
        "aof_current_size:",
        "aof_base_size:",
        "aof_rewrite_in_progress:0",
        "aof_last_bgrewrite_status:ok",
        "connected_clients:1",
        "total_connections_received:1",
        "total_commands_processed:1",
        "role:master",
        "db0:keys=1,expires=0,avg_ttl=0",
    ] {
        assert!(text.contains(&format!("\r\n{line}")), "no {line} in {text}");
    }
    store.stop().await.expect("a good end");
}

/// The parts of a SERVER span, by name.
fn parts<'a>(spans: &'a [Span], server: &Span) -> Vec<&'a str> {
    let children = spans.iter().filter(|span| span.parent == Some(server.span_id));
    children
        .map(|span| {
            assert_eq!((span.kind, span.trace_id), (Kind::Internal, server.trace_id));
            assert!(
                server.start <= span.start && span.start <= span.end && span.end <= server.end,
                "{span:?}"
            );
            &*span.name
        })
        .collect()
}

#[tokio::test]
async fn every_batch_leaves_a_span_with_exact_offsets() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::start(folder.path()).await;
    let mut stream = store.connect().await;
    let flow = (stream.local_addr().expect("an address"), store.address);
    let batches: [(&[u8], &str, &str, bool); 4] = [
        (b"HINCRBY cart:1 PROD-123 1\r\n", ":1\r\n", "HINCRBY", true),
        (b"MULTI\r\nXADD o 1-1 a b\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n$3\r\n1-1\r\n", "MULTI", true),
        // The beginning of the next command comes along, but does not belong to the batch.
        (b"GET x\r\nGET y\r\n*1\r\n$4\r\nPI", "$-1\r\n$-1\r\n", "PIPELINE 2", false),
        (b"NG\r\n", "+PONG\r\n", "PING", false),
    ];
    let (mut sent, mut answered) = (0, 0);
    let mut expected: Vec<(&str, u64, u64, bool, u64)> = Vec::new();
    for (bytes, reply, name, writes) in batches {
        stream.write_all(bytes).await.expect("it reads");
        expect(&mut stream, reply).await;
        sent += bytes.len() as u64;
        answered += reply.len() as u64;
        let partial = if name == "PIPELINE 2" { 10 } else { 0 };
        // A batch begins where the one before ended, wherever a read did.
        let before = expected.last().map_or(0, |(_, sent, ..)| *sent);
        expected.push((name, sent - partial, answered, writes, sent - partial - before));
    }
    let mut spans = Vec::new();
    hop::wait::until("four SERVER spans", LIMIT, async || {
        spans.extend(store.telemetry.take());
        (spans.iter().filter(|span| span.kind == Kind::Server).count() == 4).then_some(())
    })
    .await
    .expect("the spans");
    let servers: Vec<_> = spans.iter().filter(|span| span.kind == Kind::Server).collect();
    for (span, (name, request, response, writes, size)) in servers.into_iter().zip(expected) {
        assert_eq!(span.name, name);
        assert_eq!(span.text(attribute::DB_SYSTEM_NAME), Some("redis"));
        assert_eq!(span.text(attribute::DB_OPERATION_NAME), name.split(' ').next());
        let wake = span.stamp(Direction::Request, Event::Wake).expect("a wake");
        let tx = span.stamp(Direction::Response, Event::Tx).expect("a tx");
        assert_eq!((wake.offset, tx.offset), (request, response), "{name}");
        assert_eq!(span.attribute(attribute::READ_SIZE), Some(&size.into()), "{name}");
        assert_eq!((wake.flow.client, wake.flow.server), flow);
        assert_eq!((wake.at, tx.at), (span.start, span.end));
        let all: &[&str] = if writes {
            &["parse", "queue", "execute", "append", "fsync", "respond"]
        } else {
            &["parse", "queue", "execute", "respond"]
        };
        assert_eq!(parts(&spans, span), all, "{name}");
    }
    store.stop().await.expect("a good end");
}
