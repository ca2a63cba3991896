use std::net::SocketAddr;
use std::time::Duration;

use journey::semconv::attribute;
use journey::{Direction, Event, Kind};

use super::{Added, Addition, Beginning, Redis};
use crate::auth::Customer;
use crate::config::RedisUrl;
use crate::event::Event as CartEvent;
use crate::item::ProductId;
use crate::outbox::{Entry, Line, Outgoing, Place, Queued};
use crate::testing::{exchange, listener, run, scripted};
use crate::wire::Failure;

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

fn outgoing() -> Outgoing {
    let event = CartEvent {
        kind: "item-added".into(),
        event_id: "e1".into(),
        cart_id: "CART-alice".into(),
        item_id: "ITEM-1".into(),
        product_id: "PROD-1".into(),
        quantity: 2,
        at: 7,
    };
    Outgoing::new(event, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().expect("valid"))
}

async fn add(redis: &Redis, exchange: &hop::http::Exchange) -> Result<Added, Failure> {
    let (alice, product, outgoing) = (alice(), product(), outgoing());
    let addition = Addition {
        customer: &alice,
        product: &product,
        quantity: 2,
        reservation: "r1",
        outgoing: &outgoing,
        answer: None,
    };
    redis.add(exchange, &addition).await
}

/// The reservation is still open, the line holds three, the outbox is empty.
const OPEN: &str = "+OK\r\n$-1\r\n$1\r\n3\r\n:0\r\n:0\r\n";
const QUEUED: &str = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";

fn kept() -> String {
    let (event, traceparent) = (outgoing().fields().0.to_owned(), outgoing().fields().1.to_owned());
    format!(
        "{QUEUED}*5\r\n+OK\r\n:5\r\n:1\r\n$3\r\n1-0\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*4\r\n$5\r\nevent\r\n${}\r\n{event}\r\n\
         $11\r\ntraceparent\r\n${}\r\n{traceparent}\r\n",
        event.len(),
        traceparent.len()
    )
}

#[test]
fn a_cart_its_event_and_its_reservation_change_in_one_write() {
    run(async {
        let (address, server) = scripted(vec![OPEN.into(), kept()]).await;
        let (exchange, _) = exchange();
        let added = add(&client(address), &exchange).await.expect("added");
        let entry = Entry { id: Place(1, 0), outgoing: outgoing() };
        assert_eq!(added, Added::Kept(Box::new(Queued { head: vec![Line::Event(entry.clone())], entry })));
        let asked = server.await.expect("no panic");
        assert_eq!(
            asked[0],
            "*3 $5 WATCH $14 reservation:r1 $14 reservation:r1 *2 $3 GET $14 reservation:r1 \
             *3 $4 HGET $10 cart:alice $6 PROD-1 *2 $4 XLEN $12 outbox:alice *2 $4 HLEN $8 outboxes "
        );
        assert!(asked[1].starts_with(
            "*1 $5 MULTI *3 $3 SET $14 reservation:r1 $4 kept *4 $7 HINCRBY $10 cart:alice $6 PROD-1 $1 2 \
             *4 $4 HSET $8 outboxes $5 alice $1 1 *7 $4 XADD $12 outbox:alice "
        ));
        assert!(
            asked[1].ends_with("*6 $6 XRANGE $12 outbox:alice $1 - $1 + $5 COUNT $2 10 *1 $4 EXEC "),
            "{}",
            asked[1]
        );
    });
}

#[test]
fn a_reservation_that_was_ended_is_not_kept() {
    run(async {
        let (exchange, _) = exchange();
        // Before the transaction, and while it was being sent.
        const DROPPED: &str = "+OK\r\n$7\r\ndropped\r\n$-1\r\n:0\r\n:0\r\n";
        let (address, server) = scripted(vec![DROPPED.into()]).await;
        assert_eq!(add(&client(address), &exchange).await.expect("answered"), Added::Lost);
        assert_eq!(server.await.expect("no panic").len(), 1, "nothing was written");
        let (address, _server) = scripted(vec![OPEN.into(), format!("{QUEUED}*-1\r\n")]).await;
        assert_eq!(add(&client(address), &exchange).await.expect("answered"), Added::Lost);
    });
}

#[test]
fn an_error_before_a_transaction_had_no_effect_and_one_inside_it_is_in_doubt() {
    run(async {
        const WRONG_TYPE: &str = "+OK\r\n$-1\r\n-WRONGTYPE Operation against a key\r\n:0\r\n:0\r\n";
        let (address, _server) = scripted(vec![WRONG_TYPE.into()]).await;
        let (exchange, _) = exchange();
        let failure = add(&client(address), &exchange).await.expect_err("refused");
        assert!(
            matches!(&failure, Failure::NotDone { text, .. } if text.starts_with("WRONGTYPE")),
            "{failure:?}"
        );
        let inside = format!("{QUEUED}*5\r\n+OK\r\n-WRONGTYPE Operation\r\n:1\r\n$3\r\n1-0\r\n*0\r\n");
        let (address, _server) = scripted(vec![OPEN.into(), inside]).await;
        let failure = add(&client(address), &exchange).await.expect_err("refused");
        assert!(!failure.had_no_effect(), "{failure:?}");
    });
}

#[test]
fn each_use_is_a_client_span_with_exact_offsets() {
    run(async {
        let (address, server) = scripted(vec![OPEN.into(), kept()]).await;
        let (exchange, telemetry) = exchange();
        add(&client(address), &exchange).await.expect("added");
        let sent: Vec<u64> = server
            .await
            .expect("no panic")
            .iter()
            .map(|text| (text.len() + text.matches(' ').count()) as u64)
            .collect();
        let spans = telemetry.take();
        let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
        assert_eq!(names, ["connect", "WATCH", "EXEC"]);
        let offset = |at: usize, direction, event| spans[at].stamp(direction, event).expect("a stamp").offset;
        assert_eq!(offset(1, Direction::Request, Event::Tx), sent[0]);
        assert_eq!(offset(1, Direction::Response, Event::Wake), OPEN.len() as u64);
        assert_eq!(offset(2, Direction::Request, Event::Tx), sent[0] + sent[1]);
        assert_eq!(offset(2, Direction::Response, Event::Wake), (OPEN.len() + kept().len()) as u64);
        assert_eq!(spans[2].text(attribute::DB_SYSTEM_NAME), Some("redis"));
        assert!(spans[1].end <= spans[2].start && spans[2].kind == Kind::Client);
    });
}

#[test]
fn a_broken_connection_is_not_used_again() {
    run(async {
        let (address, server) = scripted(vec!["*0\r\n".into(), "*0\r\n*0\r\n".into()]).await;
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
        assert_eq!(span.text(attribute::ERROR_TYPE), Some("timeout"));
        assert!(span.text(attribute::ERROR_MESSAGE).is_some_and(|text| text.contains("redis")));
    });
}

#[test]
fn logging_in_comes_first() {
    run(async {
        let (address, server) =
            scripted(vec!["+OK\r\n".into(), "+OK\r\n".into(), "*2\r\n$6\r\nPROD-1\r\n$1\r\n4\r\n".into()])
                .await;
        let url = RedisUrl { address, user: None, password: Some("pass".into()), database: 2 };
        let (exchange, _) = exchange();
        let lines =
            Redis::new(url, 1, Duration::from_secs(5)).lines(&exchange, &alice()).await.expect("a cart");
        assert_eq!(lines, [(product(), 4)]);
        assert_eq!(server.await.expect("no panic")[..2], ["*2 $4 AUTH $4 pass ", "*2 $6 SELECT $1 2 "]);
    });
}

/// The outbox of one customer is of a wrong type, and the others are read.
#[test]
fn an_outbox_that_cannot_be_read_keeps_nobody_else_from_being_read() {
    run(async {
        const REPLIES: &str = "*1\r\n*2\r\n$3\r\n7-1\r\n*0\r\n-WRONGTYPE Operation against a key\r\n*0\r\n";
        let (address, _server) = scripted(vec![REPLIES.into()]).await;
        let (exchange, _) = exchange();
        let customers = ["alice", "broken", "carol"].map(str::to_owned);
        let found = client(address).beginnings(&exchange, &customers).await.expect("answered");
        assert_eq!(found[0], Beginning::At(Place(7, 1)));
        assert!(
            matches!(&found[1], Beginning::Unreadable(text) if text.starts_with("WRONGTYPE")),
            "{found:?}"
        );
        assert_eq!(found[2], Beginning::Empty);
    });
}

/// An entry that is larger than an answer may be is one cart's trouble.
#[test]
fn an_outbox_that_is_too_large_to_look_at_keeps_nobody_else_from_being_read() {
    run(async {
        let huge =
            format!("*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n${0}\r\n{1}", 9 << 20, "x".repeat(9 << 20));
        let second = "*1\r\n*2\r\n$3\r\n7-1\r\n*0\r\n";
        let (address, server) = replying(vec![format!("{huge}\r\n{second}"), huge, second.to_owned()]).await;
        let (exchange, _) = exchange();
        let customers = ["huge", "alice"].map(str::to_owned);
        let found = client(address).beginnings(&exchange, &customers).await.expect("answered");
        assert!(matches!(&found[0], Beginning::Unreadable(text) if text.contains("bytes")), "{:?}", found[0]);
        assert_eq!(found[1], Beginning::At(Place(7, 1)));
        server.await.expect("no panic");
    });
}

/// Redis has no rollback: what it would refuse in the middle of the transaction is not begun.
#[test]
fn a_line_that_cannot_be_added_to_changes_nothing() {
    run(async {
        for there in ["abc", "9223372036854775807"] {
            let look = format!("+OK\r\n$-1\r\n${}\r\n{there}\r\n:0\r\n:0\r\n", there.len());
            let (address, server) = scripted(vec![look]).await;
            let (exchange, _) = exchange();
            let failure = add(&client(address), &exchange).await.expect_err("no number");
            assert!(failure.had_no_effect(), "{failure:?}");
            assert_eq!(server.await.expect("no panic").len(), 1, "nothing was written");
        }
    });
}

/// A mark that can't be read, or that was not taken, says nothing about a reservation.
#[test]
fn a_reservation_is_settled_only_by_what_is_known_of_it() {
    run(async {
        const REPLIES: &str = "+OK\r\n$-1\r\n$-1\r\n-OOM command not allowed\r\n\
                               $7\r\ndropped\r\n$4\r\nkept\r\n-WRONGTYPE Operation\r\n$-1\r\n";
        let (address, _server) = scripted(vec![REPLIES.into()]).await;
        let (exchange, _) = exchange();
        let reservations = ["r1", "r2", "r3", "r4"].map(str::to_owned);
        let ended = client(address).settle(&exchange, &reservations).await.expect("answered");
        assert_eq!(ended[..2], [Ok(false), Ok(true)]);
        assert!(ended[2].as_ref().is_err_and(|text| text.starts_with("WRONGTYPE")), "{ended:?}");
        assert!(ended[3].as_ref().is_err_and(|text| text.starts_with("OOM")), "{ended:?}");
    });
}

/// Many large entries do not fit into one answer: then one at a time.
#[test]
fn a_page_that_is_too_large_is_read_line_by_line() {
    run(async {
        let junk = "x".repeat(9 << 20);
        let (address, server) = replying(vec![
            format!("*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n${}\r\n{junk}\r\n", junk.len()),
            "*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n".into(),
        ])
        .await;
        let (exchange, _) = exchange();
        let page = client(address).page(&exchange, "alice", Place::START, 100).await.expect("a page");
        assert_eq!(page.len(), 1);
        server.await.expect("no panic");
    });
}

/// A server that answers each connection's first request.
async fn replying(answers: Vec<String>) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let _ = stream.read(&mut [0; 4096]).await.expect("read");
            // The client hangs up in the middle of an answer that is too large.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, task)
}
