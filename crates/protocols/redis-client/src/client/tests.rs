use std::net::SocketAddr;
use std::time::Duration;

use hop::Telemetry;
use hop::http::Exchange;
use journey::semconv::attribute;
use journey::{Direction, Event, Kind};

use super::Client;
use crate::testing::{scripted, scripted_connections};
use crate::{Failure, Pipeline, Reply, StreamId, Text as _, Url};

fn client(address: SocketAddr) -> Client {
    Client::new(address.into(), 1, Duration::from_secs(5))
}

#[tokio::test]
async fn a_broken_connection_is_not_used_again() {
    let (address, server) = scripted(vec!["*0\r\n".into(), "*0\r\n*0\r\n".into()]).await;
    let client = client(address);
    assert_eq!(client.query("HGETALL", ["cart"]).await.expect("an empty hash"), Reply::Array(vec![]));
    // The second reply is one too many: whose would it be?
    let failure = client.query("HGETALL", ["cart"]).await.expect_err("too much");
    assert!(!failure.had_no_effect(), "{failure:?}");
    server.await.expect("no panic");
    let failure = client.query("HGETALL", ["cart"]).await.expect_err("nobody there any more");
    assert!(matches!(failure, Failure::Connect { .. }), "{failure:?}");
    assert!(failure.problem("").detail.contains("connect to redis at 127.0.0.1"));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("bind a port");
    let address = listener.local_addr().expect("its address");
    let client = Client::new(address.into(), 1, Duration::from_millis(20));
    let telemetry = Telemetry::memory("cart");
    let query = client.query("HGETALL", ["cart"]);
    let failure = Exchange::for_tests(&telemetry).scope(query).await.expect_err("silence");
    assert!(matches!(failure, Failure::Timeout { .. }), "{failure:?}");
    let span = telemetry.take().pop().expect("the failed request is shown too");
    assert_eq!(span.text(attribute::ERROR_TYPE), Some("timeout"));
    assert!(span.text(attribute::ERROR_MESSAGE).is_some_and(|text| text.contains("redis")));
}

#[tokio::test]
async fn logging_in_comes_first() {
    let script = vec!["+OK\r\n".into(), "+OK\r\n".into(), "$1\r\n4\r\n".into()];
    let (address, server) = scripted(script).await;
    let url = Url { address, user: None, password: Some("pass".into()), database: 2 };
    let client = Client::new(url, 1, Duration::from_secs(5));
    assert_eq!(client.query("GET", ["key"]).await.expect("a value").text(), Some("4"));
    drop(client);
    assert_eq!(server.await.expect("no panic")[..2], ["*2 $4 AUTH $4 pass ", "*2 $6 SELECT $1 2 "]);
}

#[tokio::test]
async fn a_user_logs_in_by_name_and_an_error_is_redis_own() {
    let (address, server) = scripted(vec!["-WRONGPASS invalid username\r\n".into()]).await;
    let url = "redis://me:pass@127.0.0.1:1".parse().map(|url| Url { address, ..url }).expect("a URL");
    let failure = Client::new(url, 1, Duration::from_secs(5)).connection().await.err().expect("refused");
    assert!(
        matches!(&failure, Failure::NotDone { text, .. } if text.starts_with("WRONGPASS")),
        "{failure:?}"
    );
    assert_eq!(server.await.expect("no panic"), ["*3 $4 AUTH $2 me $4 pass "]);
}

#[tokio::test]
async fn what_is_no_redis_is_said_to_be_none() {
    for (reply, said) in
        [("HTTP/1.1 400\r\n", "redis answered: "), ("*99999999999\r\n", "redis"), ("", "exchange with redis")]
    {
        let (address, _server) = scripted(vec![reply.into()]).await;
        let failure = client(address).query("CONFIG", ["GET", "appendonly"]).await.expect_err("no Redis");
        assert!(!failure.had_no_effect() && failure.describe().contains(said), "{reply:?}: {failure:?}");
    }
}

#[tokio::test]
async fn each_request_is_a_client_span_with_exact_offsets() {
    const REPLIES: [&str; 2] = ["+OK\r\n$-1\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:5\r\n"];
    let (address, server) = scripted(REPLIES.map(str::to_owned).to_vec()).await;
    let telemetry = Telemetry::memory("cart");
    let (mut look, mut change) = (Pipeline::new("WATCH"), Pipeline::new("EXEC"));
    look.add(["GET", "key"]);
    change.add(["INCR", "key"]);
    let client = client(address);
    let transaction = async {
        let mut connection = client.connection().await.expect("connected");
        assert_eq!(connection.watch(&["key"], &look).await.expect("looked"), [Reply::Null]);
        assert_eq!(connection.commit(&change).await.expect("done"), Some(vec![Reply::Integer(5)]));
    };
    Exchange::for_tests(&telemetry).scope(transaction).await;
    let received = server.await.expect("no panic");
    assert_eq!(received[1], "*1 $5 MULTI *2 $4 INCR $3 key *1 $4 EXEC ");
    let sent: Vec<u64> =
        received.iter().map(|text| (text.len() + text.matches(' ').count()) as u64).collect();
    let spans = telemetry.take();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["connect", "WATCH", "EXEC"]);
    let offset = |at: usize, direction, event| spans[at].stamp(direction, event).expect("a stamp").offset;
    assert_eq!(offset(1, Direction::Request, Event::Tx), sent[0]);
    assert_eq!(offset(1, Direction::Response, Event::Wake), REPLIES[0].len() as u64);
    assert_eq!(offset(2, Direction::Request, Event::Tx), sent[0] + sent[1]);
    assert_eq!(offset(2, Direction::Response, Event::Wake), (REPLIES[0].len() + REPLIES[1].len()) as u64);
    assert_eq!(spans[2].text(attribute::DB_SYSTEM_NAME), Some("redis"));
    assert!(spans[1].end <= spans[2].start && spans[2].kind == Kind::Client);
}

/// Whoever gets a connection that still watches would see its own transaction fail.
#[tokio::test]
async fn a_connection_that_still_watches_is_closed_and_any_other_is_kept() {
    let (address, server) = scripted(vec!["+OK\r\n$-1\r\n".into()]).await;
    let client = client(address);
    let seen = client.compare_and_set("key", "mine", None).await.expect("looked");
    assert!(!seen, "it is not ours");
    server.await.expect("no panic");
    assert!(client.pool.take(address).is_none());

    let (address, _server) = scripted(vec![
        "+OK\r\n$4\r\nmine\r\n".into(),
        "+OK\r\n+QUEUED\r\n*-1\r\n".into(),
        "+PONG\r\n".into(),
    ])
    .await;
    let client = self::client(address);
    let lifetime = Duration::from_secs(1);
    assert!(
        !client.compare_and_set("key", "mine", Some(("new", lifetime))).await.expect("done"),
        "changed meanwhile"
    );
    assert_eq!(client.query("PING", []).await.expect("the same connection").text(), Some("PONG"));
}

#[tokio::test]
async fn a_page_that_is_too_large_is_read_entry_by_entry() {
    let junk = "x".repeat(9 << 20);
    let (address, server) = scripted_connections(vec![
        format!("*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n${}\r\n{junk}\r\n", junk.len()),
        "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n".into(),
    ])
    .await;
    let page = client(address).stream_page("outbox:alice", StreamId::START, 100).await.expect("a page");
    assert_eq!(page.len(), 1);
    server.await.expect("no panic");
}
