use redis_client::testing::{scripted, scripted_connections};

use super::*;
use crate::testing::client;

/// The outbox of one owner is of a wrong type, and the others are read.
#[tokio::test]
async fn an_outbox_that_cannot_be_read_keeps_nobody_else_from_being_read() {
    const REPLIES: &str = "*1\r\n*2\r\n$3\r\n7-1\r\n*0\r\n-WRONGTYPE Operation against a key\r\n*0\r\n";
    let (address, _server) = scripted(vec![REPLIES.into()]).await;
    let owners = ["alice", "broken", "carol"].map(str::to_owned);
    let found = oldest(&client(address), &owners).await.expect("replies");
    assert_eq!(found[0], Oldest::At(StreamId(7, 1)));
    assert!(matches!(&found[1], Oldest::Unreadable(text) if text.starts_with("WRONGTYPE")), "{found:?}");
    assert_eq!(found[2], Oldest::Empty);
}

/// An entry that is larger than a reply may be is one owner's trouble.
#[tokio::test]
async fn an_outbox_that_is_too_large_to_look_at_keeps_nobody_else_from_being_read() {
    let huge = format!("*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\na\r\n${0}\r\n{1}", 9 << 20, "x".repeat(9 << 20));
    let second = "*1\r\n*2\r\n$3\r\n7-1\r\n*0\r\n";
    let script = vec![format!("{huge}\r\n{second}"), huge, second.to_owned()];
    let (address, server) = scripted_connections(script).await;
    let owners = ["huge", "alice"].map(str::to_owned);
    let found = oldest(&client(address), &owners).await.expect("replies");
    assert!(matches!(&found[0], Oldest::Unreadable(text) if text.contains("bytes")), "{:?}", found[0]);
    assert_eq!(found[1], Oldest::At(StreamId(7, 1)));
    server.await.expect("no panic");
}

/// Between the look and the transaction a message may come in.
#[tokio::test]
async fn only_an_outbox_that_is_still_empty_is_dropped() {
    let script = vec!["+OK\r\n:0\r\n:1\r\n".into(), "+OK\r\n+QUEUED\r\n+QUEUED\r\n*-1\r\n".into()];
    let (address, server) = scripted(script).await;
    drop_empty(&client(address), &["alice", "bob"]).await.expect("replies");
    let received = server.await.expect("no panic");
    assert_eq!(
        received,
        [
            "*3 $5 WATCH $12 outbox:alice $10 outbox:bob *2 $4 XLEN $12 outbox:alice *2 $4 XLEN $10 outbox:bob ",
            "*1 $5 MULTI *2 $3 DEL $12 outbox:alice *3 $4 HDEL $8 outboxes $5 alice *1 $4 EXEC "
        ]
    );
}

#[tokio::test]
async fn what_is_set_aside_is_kept_as_it_was_and_leaves_its_stream() {
    let (address, server) =
        scripted(vec!["+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$3\r\n9-0\r\n:1\r\n".into()]).await;
    let fields = vec![Bytes::from_static(b"what"), Bytes::from_static(b"nothing")];
    let malformed = Malformed { id: StreamId(7, 1), why: "no field event".into(), fields };
    set_aside(&client(address), "outbox:alice", &malformed).await.expect("replies");
    assert_eq!(
        server.await.expect("no panic"),
        [
            "*1 $5 MULTI *11 $4 XADD $19 outbox.dead-letters $1 * $6 stream $12 outbox:alice $5 entry $3 7-1 $3 why \
          $14 no field event $4 what $7 nothing *3 $4 XDEL $12 outbox:alice $3 7-1 *1 $4 EXEC "
        ]
    );
}
