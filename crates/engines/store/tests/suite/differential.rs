//! The store beside a real redis-server: the same random scripts to both, every reply compared.
//!
//! What a client sees must not tell the two apart: values, types, null forms, error texts, in RESP2 and
//! RESP3, with transactions and watched keys of two clients. Compared is everything, exactly, except:
//! the order where Redis promises none (HGETALL, KEYS, SCAN ...), and times that run while we look (TTL).

mod compare;
mod script;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::client::{Client, Reply};
use crate::servers::Server;
use compare::difference;
use script::{Step, any_script};

/// How many scripts, in each protocol.
const SCRIPTS: u32 = 250;

/// The two servers to compare; nothing of theirs survives, so that a run costs no disk.
async fn both() -> (Server, Server) {
    let store = Server::store(&["--appendfsync", "everysec"]).await;
    (store, Server::redis(&["--save", "", "--appendonly", "no"]).await)
}

/// Runs a script on one server, with connections of its own, from an empty state.
fn run(server: &Server, protocol: u8, script: &[Step]) -> Vec<Reply> {
    let mut clients = [0, 1].map(|_| Client::connect(server.address).expect("it listens"));
    for client in &mut clients {
        client.say(&format!("hello {protocol}")).expect("a greeting");
    }
    clients[0].say("flushall").expect("an empty state");
    script.iter().map(|(client, words)| clients[*client].call(words).expect("a reply")).collect()
}

fn shown(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect::<Vec<_>>().join(" ")
}

fn compare_random_scripts(store: &Server, redis: &Server, protocol: u8) {
    let mut runner = TestRunner::new(Config {
        cases: SCRIPTS,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    });
    let outcome = runner.run(&any_script(), |script| {
        let (ours, theirs) = (run(store, protocol, &script), run(redis, protocol, &script));
        for (((client, words), ours), theirs) in script.iter().zip(&ours).zip(&theirs) {
            if let Some(difference) = difference(words, ours, theirs) {
                let command = shown(words);
                return Err(TestCaseError::fail(format!("client {client}: {command}\n{difference}")));
            }
        }
        Ok(())
    });
    if let Err(proptest::test_runner::TestError::Fail(reason, script)) = &outcome {
        let lines: Vec<_> =
            script.iter().map(|(client, words)| format!("{client}: {}", shown(words))).collect();
        panic!("RESP{protocol}: {reason}\nthe shortest script found:\n{}", lines.join("\n"));
    }
    outcome.expect("a verdict");
}

#[tokio::test]
async fn every_reply_is_what_redis_replies_in_resp2() {
    let (store, redis) = both().await;
    compare_random_scripts(&store, &redis, 2);
}

#[tokio::test]
async fn every_reply_is_what_redis_replies_in_resp3() {
    let (store, redis) = both().await;
    compare_random_scripts(&store, &redis, 3);
}

#[tokio::test]
async fn above_the_memory_limit_both_refuse_the_same_commands() {
    let (store, redis) = (Server::store(&["--max-memory", "1"]).await, Server::redis(&["--save", ""]).await);
    let script: Vec<Step> = words_of(&[
        "set k v",
        "multi",
        "get k",
        "exec",
        "set k w",
        "hset h f v",
        "incr n",
        "xadd s 1-1 a b",
        "append k v",
        "mset a 1",
        "setnx a 1",
        "hincrby h f 1",
        "get k",
        "expire k 1000",
        "multi",
        "set k w",
        "exec",
        "multi",
        "get k",
        "set k w",
        "discard",
        "del k",
        "exists k",
        "set k w",
    ]);
    let mut client = Client::connect(redis.address).expect("it listens");
    // Its own structures alone are more than this; ours counts the data, so that the first SET still fits.
    let limit = |on: bool| if on { "config set maxmemory 1" } else { "config set maxmemory 0" };
    let mut theirs = Vec::new();
    client.say(limit(false)).expect("a reply");
    for (at, (_, words)) in script.iter().enumerate() {
        let empty = at == 0 || at == script.len() - 1;
        Client::connect(redis.address).expect("it listens").say(limit(!empty)).expect("a reply");
        theirs.push(client.call(words).expect("a reply"));
    }
    let ours = run(&store, 2, &script);
    for (((_, words), ours), theirs) in script.iter().zip(&ours).zip(&theirs) {
        assert_eq!(difference(words, ours, theirs), None, "{}", shown(words));
    }
    assert!(
        ours.iter()
            .filter(|reply| matches!(reply, Reply::Line('-', text) if text.starts_with("OOM")))
            .count()
            > 8
    );
}

/// One client's commands.
fn words_of(commands: &[&str]) -> Vec<Step> {
    let words = |text: &str| text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
    commands.iter().map(|text| (0, words(text))).collect()
}

/// The broken twin: one reply changed in any way must be noticed, or all of the above proves nothing.
#[tokio::test]
async fn a_changed_reply_is_noticed() {
    let redis = Server::redis(&["--save", "", "--appendonly", "no"]).await;
    let script = words_of(&[
        "set k1 v",
        "get k1",
        "get none",
        "incr k1",
        "hset h1 f1 v1 f2 v2",
        "hgetall h1",
        "hkeys h1",
        "keys *",
        "scan 0 count 1000",
        "xadd s1 1-1 a b",
        "xrange s1 - +",
        "xread streams s1 0",
        "expire k1 1000",
        "ttl k1",
        "mget k1 none",
        "nonsense 1",
        "multi",
        "get k1",
        "exec",
        "exec",
    ]);
    for protocol in [2, 3] {
        let replies = run(&redis, protocol, &script);
        for ((_, words), reply) in script.iter().zip(&replies) {
            assert_eq!(difference(words, reply, reply), None);
            for changed in compare::changes(reply) {
                let noticed = difference(words, &changed, reply).is_some();
                assert!(noticed, "{}: {changed:?} passed for {reply:?}", shown(words));
            }
        }
    }
}
