use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::sync::Notify;

use super::*;

/// Idle time of the servers here.
const SHORT: Duration = Duration::from_millis(200);

/// A connection to a server that echoes each message; one that begins with "slow" waits for `release`.
struct Server {
    connections: Connections,
    release: Notify,
    sent: Mutex<Vec<Vec<u8>>>,
}

impl Server {
    fn new() -> Self {
        let (release, sent) = (Notify::new(), Mutex::default());
        let connections = Connections { idle: SHORT, ..Connections::new(4) };
        Server { connections, release, sent }
    }

    async fn serve(&self, stream: DuplexStream, stop: impl Future<Output = ()>) {
        let respond = |message: Vec<u8>| async {
            if message.starts_with(b"slow") {
                self.release.notified().await;
            }
            (message != b"not DNS").then(|| Reply { bytes: message.clone(), about: message })
        };
        let sent = |about| self.sent.lock().unwrap().push(about);
        serve(stream, &self.connections, stop, respond, sent).await;
    }
}

fn frames(messages: &[&str]) -> Vec<u8> {
    messages.iter().flat_map(|message| framed(message.as_bytes()).unwrap()).collect()
}

async fn read(stream: &mut DuplexStream) -> String {
    let length = stream.read_u16().await.unwrap();
    let mut message = vec![0; usize::from(length)];
    stream.read_exact(&mut message).await.unwrap();
    String::from_utf8(message).unwrap()
}

#[tokio::test]
async fn a_slow_query_holds_up_none_after_it() {
    let (server, (near, mut far)) = (Server::new(), tokio::io::duplex(1000));
    let client = async {
        // Three queries in one segment, and the client has nothing more to say (half-close).
        far.write_all(&frames(&["slow 1", "quick 2", "quick 3"])).await.unwrap();
        far.shutdown().await.unwrap();
        assert_eq!(read(&mut far).await, "quick 2");
        assert_eq!(read(&mut far).await, "quick 3");
        server.release.notify_one();
        assert_eq!(read(&mut far).await, "slow 1");
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "the end");
    };
    tokio::join!(client, server.serve(near, std::future::pending()));
    assert_eq!(*server.sent.lock().unwrap(), [&b"quick 2"[..], b"quick 3", b"slow 1"]);
}

#[tokio::test]
async fn what_was_queried_before_the_end_gets_its_response() {
    let (server, (near, mut far)) = (Server::new(), tokio::io::duplex(1000));
    let stop = Notify::new();
    let client = async {
        far.write_all(&frames(&["slow"])).await.unwrap();
        far.write_all(&frames(&["now"])).await.unwrap();
        assert_eq!(read(&mut far).await, "now");
        stop.notify_one();
        server.release.notify_one();
        assert_eq!(read(&mut far).await, "slow");
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "the end");
    };
    tokio::join!(client, server.serve(near, stop.notified()));
}

#[tokio::test]
async fn outstanding_queries_are_bounded() {
    let (server, (near, mut far)) = (Server::new(), tokio::io::duplex(100_000));
    let client = async {
        far.write_all(&frames(&["slow"; OUTSTANDING])).await.unwrap();
        far.write_all(&frames(&["quick"])).await.unwrap();
        let early = timeout(Duration::from_millis(100), far.read_u8()).await;
        assert!(early.is_err(), "read although {OUTSTANDING} were unanswered");
        server.release.notify_one();
        assert_eq!(read(&mut far).await, "slow");
        assert_eq!(read(&mut far).await, "quick");
        server.release.notify_waiters();
        drop(far);
    };
    tokio::join!(client, server.serve(near, std::future::pending()));
}

#[tokio::test]
async fn who_speaks_something_else_is_left() {
    let (server, (near, mut far)) = (Server::new(), tokio::io::duplex(1000));
    far.write_all(&frames(&["good", "not DNS", "good again"])).await.unwrap();
    server.serve(near, std::future::pending()).await;
    assert_eq!(read(&mut far).await, "good");
    assert_eq!(far.read(&mut [0]).await.unwrap(), 0);
}

/// As long as it takes.
async fn lasting(server: &Server, stream: DuplexStream) -> Duration {
    let begun = clock::monotonic();
    server.serve(stream, std::future::pending()).await;
    clock::since(begun)
}

#[tokio::test]
async fn the_idle_and_the_slow_are_left_in_time() {
    let server = Server::new();
    // Nothing said; half a length; half a message.
    for bytes in [&b""[..], b"\0", b"\0\x09half"] {
        let (near, mut far) = tokio::io::duplex(1000);
        far.write_all(bytes).await.unwrap();
        assert!(lasting(&server, near).await >= SHORT, "{bytes:?}");
    }
    // Responses that nobody takes: the second does not fit into the connection.
    let (near, far) = tokio::io::duplex(1000);
    let (_reader, mut writer) = tokio::io::split(far);
    let two = frames(&[&"x".repeat(700); 2].map(String::as_str));
    let (_, took) = tokio::join!(writer.write_all(&two), lasting(&server, near));
    assert!(took >= SHORT);
    // An unanswered query is not idleness.
    let (near, mut far) = tokio::io::duplex(1000);
    far.write_all(&frames(&["slow"])).await.unwrap();
    let still = timeout(3 * SHORT, server.serve(near, std::future::pending())).await;
    assert!(still.is_err(), "the connection ended before its query was answered");
}

#[tokio::test]
async fn when_connections_run_short_the_idle_and_the_old_end() {
    let mut server = Server::new();
    server.connections.idle = Duration::from_secs(5);
    server.connections.open.store(2, Ordering::Relaxed);
    let (near, _far) = tokio::io::duplex(1000);
    let took = lasting(&server, near).await;
    assert!(took < Duration::from_secs(5), "{took:?}: a tenth of the usual time was due");
    assert_eq!(server.connections.open.load(Ordering::Relaxed), 2, "it is counted as closed");

    server.connections.idle = Duration::from_nanos(10); // so that it is old at once
    let (near, mut far) = tokio::io::duplex(1000);
    far.write_all(&frames(&["last", "too late"])).await.unwrap();
    tokio::join!(server.serve(near, std::future::pending()), async {
        assert_eq!(read(&mut far).await, "last");
        assert_eq!(far.read(&mut [0]).await.unwrap(), 0, "the end");
    });
}
