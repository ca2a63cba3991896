use std::net::SocketAddr;
use std::time::Duration;

use redis_client::testing::scripted;
use reliability::Entry;

use super::*;

fn carts(address: SocketAddr) -> Carts {
    Carts { redis: Client::new(address.into(), 1, Duration::from_secs(5)) }
}

fn alice() -> Customer {
    Customer::parse("alice").expect("a name")
}

fn product() -> ProductId {
    ProductId::parse("PROD-1").expect("a product")
}

fn message() -> Message<Event> {
    let event = Event {
        kind: "item-added".into(),
        event_id: "e1".into(),
        cart_id: "CART-alice".into(),
        item_id: "ITEM-1".into(),
        product_id: "PROD-1".into(),
        quantity: 2,
        at: 7,
    };
    Message::new(event, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().expect("valid"))
}

async fn add(carts: &Carts) -> Result<Option<Appended<Event>>, Failure> {
    carts.add(&alice(), "r1", &message(), None).await
}

/// The reservation is still open, the line holds three, the outbox is empty.
const OPEN: &str = "+OK\r\n$-1\r\n$1\r\n3\r\n:0\r\n:0\r\n";
const QUEUED: &str = "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n";

/// The message as the head of its outbox.
fn head() -> String {
    let message = message();
    let [_, event, _, traceparent] = message.fields();
    format!(
        "*1\r\n*2\r\n$3\r\n1-0\r\n*4\r\n$5\r\nevent\r\n${}\r\n{event}\r\n$11\r\ntraceparent\r\n${}\r\n{traceparent}\r\n",
        event.len(),
        traceparent.len()
    )
}

fn kept() -> String {
    format!("{QUEUED}*5\r\n+OK\r\n:5\r\n:1\r\n$3\r\n1-0\r\n{}", head())
}

#[tokio::test]
async fn a_cart_its_event_and_its_reservation_change_in_one_write() {
    let (address, server) = scripted(vec![OPEN.into(), kept()]).await;
    let added = add(&carts(address)).await.expect("added").expect("kept");
    let head = vec![Entry::Message(StreamId(1, 0), message())];
    assert_eq!(added, Appended { id: StreamId(1, 0), message: message(), head });
    let received = server.await.expect("no panic");
    assert_eq!(
        received[0],
        "*3 $5 WATCH $14 reservation:r1 $14 reservation:r1 *2 $3 GET $14 reservation:r1 \
         *3 $4 HGET $10 cart:alice $6 PROD-1 *2 $4 XLEN $12 outbox:alice *2 $4 HLEN $8 outboxes "
    );
    assert!(received[1].starts_with(
        "*1 $5 MULTI *3 $3 SET $14 reservation:r1 $4 kept *4 $7 HINCRBY $10 cart:alice $6 PROD-1 $1 2 \
         *4 $4 HSET $8 outboxes $5 alice $1 1 *7 $4 XADD $12 outbox:alice "
    ));
    assert!(
        received[1].ends_with("*6 $6 XRANGE $12 outbox:alice $1 - $1 + $5 COUNT $2 10 *1 $4 EXEC "),
        "{}",
        received[1]
    );
}

#[tokio::test]
async fn a_removal_its_event_and_its_return_are_one_write_and_begin_again_when_the_cart_changed() {
    const SEEN: &str = "+OK\r\n$1\r\n2\r\n:0\r\n:0\r\n:0\r\n";
    let script = vec![
        SEEN.into(),
        format!("{QUEUED}*-1\r\n"),
        SEEN.into(),
        format!("{QUEUED}*5\r\n:1\r\n:1\r\n$3\r\n1-0\r\n$3\r\n4-2\r\n{}", head()),
    ];
    let (address, server) = scripted(script).await;
    let message = |quantity| {
        assert_eq!(quantity, 2, "as many as there are");
        message()
    };
    let removal = carts(address).remove(&alice(), &product(), message).await;
    let removal = removal.expect("removed").expect("a line");
    assert_eq!((removal.appended.id, removal.returned), (StreamId(1, 0), StreamId(4, 2)));
    let received = server.await.expect("no panic");
    assert_eq!(received[0], received[2]);
    assert_eq!(
        received[0],
        "*2 $5 WATCH $10 cart:alice *3 $4 HGET $10 cart:alice $6 PROD-1 *2 $4 XLEN $12 outbox:alice \
         *2 $4 HLEN $8 outboxes *2 $4 XLEN $7 returns "
    );
    assert!(received[3].starts_with("*1 $5 MULTI *3 $4 HDEL $10 cart:alice $6 PROD-1 "), "{}", received[3]);
    assert!(received[3].contains("*7 $4 XADD $7 returns $1 * $5 event "), "{}", received[3]);
}

#[tokio::test]
async fn a_reservation_that_was_ended_is_not_kept() {
    // Before the transaction, and while it was being sent.
    const DROPPED: &str = "+OK\r\n$7\r\ndropped\r\n$-1\r\n:0\r\n:0\r\n";
    let (address, server) = scripted(vec![DROPPED.into()]).await;
    assert_eq!(add(&carts(address)).await.expect("replies"), None);
    assert_eq!(server.await.expect("no panic").len(), 1, "nothing was written");
    let (address, _server) = scripted(vec![OPEN.into(), format!("{QUEUED}*-1\r\n")]).await;
    assert_eq!(add(&carts(address)).await.expect("replies"), None);
}

#[tokio::test]
async fn an_error_before_a_transaction_had_no_effect_and_one_inside_it_is_in_doubt() {
    const WRONG_TYPE: &str = "+OK\r\n$-1\r\n-WRONGTYPE Operation against a key\r\n:0\r\n:0\r\n";
    let (address, _server) = scripted(vec![WRONG_TYPE.into()]).await;
    let failure = add(&carts(address)).await.expect_err("refused");
    assert!(
        matches!(&failure, Failure::NotDone { text, .. } if text.starts_with("WRONGTYPE")),
        "{failure:?}"
    );
    let inside = format!("{QUEUED}*5\r\n+OK\r\n-WRONGTYPE Operation\r\n:1\r\n$3\r\n1-0\r\n*0\r\n");
    let (address, _server) = scripted(vec![OPEN.into(), inside]).await;
    let failure = add(&carts(address)).await.expect_err("refused");
    assert!(!failure.had_no_effect(), "{failure:?}");
}

/// Redis has no rollback: what it would refuse in the middle of the transaction is not begun.
#[tokio::test]
async fn a_line_that_cannot_be_added_to_changes_nothing() {
    for there in ["abc", "9223372036854775807"] {
        let look = format!("+OK\r\n$-1\r\n${}\r\n{there}\r\n:0\r\n:0\r\n", there.len());
        let (address, server) = scripted(vec![look]).await;
        let failure = add(&carts(address)).await.expect_err("no number");
        assert!(failure.had_no_effect(), "{failure:?}");
        assert_eq!(server.await.expect("no panic").len(), 1, "nothing was written");
    }
}

#[tokio::test]
async fn lines_are_sorted_and_what_is_none_is_left_out() {
    const FIELDS: &str =
        "*6\r\n$6\r\nPROD-2\r\n$1\r\n4\r\n$5\r\nother\r\n$1\r\nx\r\n$6\r\nPROD-1\r\n$1\r\n1\r\n";
    let (address, server) = scripted(vec![FIELDS.into()]).await;
    let lines = carts(address).lines(&alice()).await.expect("a cart");
    assert_eq!(
        lines.iter().map(|(product, count)| (product.as_str(), *count)).collect::<Vec<_>>(),
        [("PROD-1", 1), ("PROD-2", 4)]
    );
    assert_eq!(server.await.expect("no panic"), ["*2 $7 HGETALL $10 cart:alice "]);
}
