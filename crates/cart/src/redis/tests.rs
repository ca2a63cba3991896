use std::net::SocketAddr;
use std::time::Duration;

use journey::{Direction, Event, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Added, Redis};
use crate::auth::Customer;
use crate::config::RedisUrl;
use crate::item::ProductId;
use crate::testing::{exchange, listener, run};
use crate::wire::Failure;

/// A server that answers each request of one connection with the next line of a script, then closes.
/// Hands back what it was asked.
async fn scripted(script: &'static [&'static str]) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accept");
        let mut asked = Vec::new();
        for answer in script {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.expect("read");
            asked.push(String::from_utf8_lossy(&buffer[..count]).replace("\r\n", " "));
            stream.write_all(answer.as_bytes()).await.expect("write");
        }
        asked
    });
    (address, task)
}

fn client(address: SocketAddr) -> Redis {
    let url = RedisUrl { address, user: None, password: None, database: 0 };
    Redis::new(url, 1, Duration::from_secs(5))
}

fn alice() -> Customer {
    Customer::parse("alice").expect("a name")
}

fn product() -> ProductId {
    ProductId::parse("PROD-1").expect("a product")
}

const FOUND_NOTHING: &str = "$-1\r\n";
const FOUND_THREE: &str = "$1\r\n3\r\n";
const NOW_FIVE: &str = "+OK\r\n+QUEUED\r\n*1\r\n:5\r\n";

#[test]
fn adding_looks_and_then_changes_in_one_write() {
    run(async {
        let (address, server) = scripted(&[FOUND_THREE, NOW_FIVE]).await;
        let (exchange, _) = exchange();
        let added = client(address).add(&exchange, &alice(), &product(), 2, 5).await.expect("added");
        assert_eq!(added, Added::Total(5));
        let asked = server.await.expect("no panic");
        assert_eq!(asked[0], "*3 $4 HGET $10 cart:alice $6 PROD-1 ");
        assert_eq!(asked[1], "*1 $5 MULTI *4 $7 HINCRBY $10 cart:alice $6 PROD-1 $1 2 *1 $4 EXEC ");
    });
}

#[test]
fn what_is_in_the_cart_counts_against_the_stock() {
    run(async {
        let (address, server) = scripted(&[FOUND_THREE]).await;
        let (exchange, _) = exchange();
        let added = client(address).add(&exchange, &alice(), &product(), 2, 4).await.expect("answered");
        assert_eq!(added, Added::TooMany { in_cart: 3 });
        assert_eq!(server.await.expect("no panic").len(), 1, "nothing was written");
    });
}

#[test]
fn an_error_inside_a_transaction_is_an_error() {
    run(async {
        const WRONG_TYPE: &str = "+OK\r\n+QUEUED\r\n*1\r\n-WRONGTYPE Operation against a key\r\n";
        let (address, _server) = scripted(&[FOUND_NOTHING, WRONG_TYPE]).await;
        let (exchange, _) = exchange();
        let failure = client(address).add(&exchange, &alice(), &product(), 2, 4).await.expect_err("refused");
        assert!(
            matches!(&failure, Failure::NotDone { text, .. } if text.starts_with("WRONGTYPE")),
            "{failure:?}"
        );
    });
}

#[test]
fn each_use_is_a_client_span_with_exact_offsets() {
    run(async {
        let (address, server) = scripted(&[FOUND_NOTHING, NOW_FIVE]).await;
        let (exchange, telemetry) = exchange();
        client(address).add(&exchange, &alice(), &product(), 5, 9).await.expect("added");
        let sent: Vec<u64> = server
            .await
            .expect("no panic")
            .iter()
            .map(|text| (text.len() + text.matches(' ').count()) as u64)
            .collect();
        let spans = telemetry.take();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(names, ["connect", "HGET", "HINCRBY"]);
        let offset = |at: usize, direction, event| spans[at].stamp(direction, event).expect("a stamp").offset;
        assert_eq!(offset(1, Direction::Request, Event::Tx), sent[0]);
        assert_eq!(offset(1, Direction::Response, Event::Wake), FOUND_NOTHING.len() as u64);
        assert_eq!(offset(2, Direction::Request, Event::Tx), sent[0] + sent[1]);
        assert_eq!(
            offset(2, Direction::Response, Event::Wake),
            (FOUND_NOTHING.len() + NOW_FIVE.len()) as u64
        );
        assert_eq!(spans[2].text("db.system.name"), Some("redis"));
        assert!(spans[1].end <= spans[2].start && spans[2].kind == Kind::Client);
    });
}

#[test]
fn a_broken_connection_is_not_used_again() {
    run(async {
        let (address, server) = scripted(&["*0\r\n", "*0\r\n*0\r\n"]).await;
        let client = client(address);
        let (exchange, _) = exchange();
        assert!(client.lines(&exchange, &alice()).await.expect("an empty cart").is_empty());
        // The second answer is one too many: whose would it be?
        let failure = client.lines(&exchange, &alice()).await.expect_err("too much");
        assert!(!failure.had_no_effect(), "{failure:?}");
        server.await.expect("no panic");
        let failure = client.lines(&exchange, &alice()).await.expect_err("nobody there any more");
        assert!(matches!(failure, Failure::Connect { .. }), "{failure:?}");
        assert!(failure.problem("").detail.contains("connect to redis at 127.0.0.1"));
    });
}

#[test]
fn a_silent_server_is_given_up() {
    run(async {
        let (_listener, address) = listener().await;
        let url = RedisUrl { address, user: None, password: None, database: 0 };
        let client = Redis::new(url, 1, Duration::from_millis(20));
        let (exchange, telemetry) = exchange();
        let failure = client.lines(&exchange, &alice()).await.expect_err("silence");
        assert!(matches!(failure, Failure::Timeout { .. }), "{failure:?}");
        let span = telemetry.take().pop().expect("the failed exchange is shown too");
        assert_eq!(span.text("error.type"), Some("timeout"));
        assert!(span.text("error.message").is_some_and(|text| text.contains("redis")));
    });
}

#[test]
fn logging_in_comes_first() {
    run(async {
        let (address, server) = scripted(&["+OK\r\n", "+OK\r\n", "*2\r\n$6\r\nPROD-1\r\n$1\r\n4\r\n"]).await;
        let url = RedisUrl { address, user: None, password: Some("pass".into()), database: 2 };
        let (exchange, _) = exchange();
        let lines =
            Redis::new(url, 1, Duration::from_secs(5)).lines(&exchange, &alice()).await.expect("a cart");
        assert_eq!(lines, [(product(), 4)]);
        assert_eq!(server.await.expect("no panic")[..2], ["*2 $4 AUTH $4 pass ", "*2 $6 SELECT $1 2 "]);
    });
}
