//! `kill -9` at any moment, with the log being rewritten all the time: what was acknowledged is there.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::client::{Client, Reply};
use crate::servers::Server;

const ROUNDS: usize = 12;
const WRITERS: usize = 4;
/// Every growth by a fiftieth is a reason to rewrite.
const OFTEN: [&str; 4] = ["--rewrite-min-size", "4096", "--rewrite-percentage", "2"];
/// Other carts, so that a rewrite takes long enough to be killed in.
const OTHERS: usize = 5000;

fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Line(':', number) => number.parse().expect("a number"),
        Reply::Bulk(_, None) => 0,
        Reply::Bulk(_, Some(number)) => number.parse().expect("a number"),
        other => panic!("expected a number: {other:?}"),
    }
}

/// The value of a line in INFO.
fn info(client: &mut Client, name: &str) -> u64 {
    let Reply::Bulk(_, Some(text)) = client.say("info").expect("a reply") else { panic!("no text") };
    let line = text.split("\\r\\n").find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

/// One writer's cart and outbox; counts what was acknowledged until the store is gone.
fn write(mut client: Client, writer: usize, acknowledged: &AtomicU64) {
    let cart = format!("hincrby cart:{writer} item 1");
    let event = format!("xadd outbox:{writer} * item {}", "x".repeat(60));
    loop {
        let transaction = ["multi", &cart, &event, "exec"];
        let last = transaction.into_iter().map(|text| client.say(text)).collect::<Result<Vec<_>, _>>();
        match last {
            Ok(replies) => assert!(matches!(&replies[3], Reply::List('*', Some(two)) if two.len() == 2)),
            Err(error) => {
                let gone = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                assert!(gone.contains(&error.kind()), "{error}");
                return;
            }
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn killed_while_the_log_is_rewritten_again_and_again_it_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let acknowledged: [AtomicU64; WRITERS] = Default::default();
    let total = || acknowledged.iter().map(|count| count.load(Ordering::SeqCst)).sum::<u64>();
    let (mut rewrites, mut moments) = (0, BTreeMap::<bool, u32>::new());
    for round in 0..=ROUNDS {
        let store = Server::store_on(folder.path(), &OFTEN).await;
        let mut client = Client::connect(store.address).expect("it listens");
        for (writer, count) in acknowledged.iter().enumerate() {
            let stored = number(&client.say(&format!("hget cart:{writer} item")).expect("a reply"));
            let events = number(&client.say(&format!("xlen outbox:{writer}")).expect("a reply"));
            let known = count.load(Ordering::SeqCst);
            // The last transaction may have been kept without anyone hearing of it: never more than that.
            assert!(known <= stored && stored <= known + 1, "round {round}: {known} kept as {stored}");
            assert_eq!(stored, events, "round {round}: a transaction was torn");
            count.store(stored, Ordering::SeqCst);
        }
        if round == 0 {
            for other in 0..OTHERS {
                client.say(&format!("hset other:{other} item {}", "x".repeat(200))).expect("a reply");
            }
        }
        assert_eq!(
            number(&client.say("dbsize").expect("a reply")) as usize,
            OTHERS + 2 * WRITERS * usize::from(round > 0)
        );
        if round == ROUNDS {
            break;
        }
        let goal = total() + 40 + 37 * round as u64;
        thread::scope(|scope| {
            for (writer, count) in acknowledged.iter().enumerate() {
                let client = Client::connect(store.address).expect("it listens");
                scope.spawn(move || write(client, writer, count));
            }
            while total() < goal {
                thread::yield_now();
            }
            rewrites += info(&mut client, "aof_rewrites");
            let rewriting = || folder.path().join("appendonly.aof.rewrite").exists();
            // Every other time in the middle of one; the writers never stop, so there will be one.
            while round % 2 == 1 && !rewriting() {
                thread::yield_now();
            }
            let rewriting = rewriting();
            *moments.entry(rewriting).or_default() += 1;
            store.kill();
        });
    }
    assert!(moments[&true] >= 3, "killed within a rewrite: {moments:?}");
    assert!(rewrites > 20, "the log was rewritten {rewrites} times only");
    let written = total();
    assert!(written > 1000, "{written} transactions only");
}

/// Waits until no rewrite is at work or due.
async fn rewritten(client: &mut Client) {
    hop::wait::until("the rewrite", Duration::from_secs(20), async || {
        (info(client, "aof_rewrite_in_progress") + info(client, "aof_rewrite_scheduled") == 0).then_some(())
    })
    .await
    .expect("an end");
}

#[tokio::test]
async fn a_log_of_rewritten_values_stays_short_and_a_real_redis_loads_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Server::store_on(folder.path(), &OFTEN).await;
    let mut client = Client::connect(store.address).expect("it listens");
    for text in ["set until v pxat 4102444800000", "xadd gone 5-5 a b", "xdel gone 5-5", "hset cart a 1 b 2"]
    {
        client.say(text).expect("a reply");
    }
    for round in 0..2000 {
        client.say(&format!("set key {round}")).expect("a reply");
    }
    // One that began by itself may still be at work; without writes there is no next.
    rewritten(&mut client).await;
    assert_eq!(
        client.say("bgrewriteaof").expect("a reply"),
        Reply::Line('+', "Background append only file rewriting started".into())
    );
    rewritten(&mut client).await;
    let log = folder.path().join("appendonly.aof");
    let length = std::fs::metadata(&log).expect("the log").len();
    assert!(length < 1000, "{length} bytes for five keys");
    assert_eq!(info(&mut client, "aof_current_size"), length);
    store.kill();

    let redis =
        Server::redis_on(folder.path(), &["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]).await;
    let mut client = Client::connect(redis.address).expect("it listens");
    for (text, expected) in [
        ("get key", Reply::Bulk('$', Some("1999".into()))),
        ("pexpiretime until", Reply::Line(':', "4102444800000".into())),
        ("xlen gone", Reply::Line(':', "0".into())),
        ("hget cart b", Reply::Bulk('$', Some("2".into()))),
    ] {
        assert_eq!(client.say(text).expect("a reply"), expected, "{text}");
    }
    let refused = client.say("xadd gone 5-5 a b").expect("a reply");
    assert!(matches!(refused, Reply::Line('-', _)), "the stream has forgotten its last id: {refused:?}");
}
