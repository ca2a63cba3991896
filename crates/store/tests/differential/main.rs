//! The store beside a real redis-server: the same random scripts to both, every reply compared.
//!
//! What a client sees must not tell the two apart: values, types, null forms, error texts, in RESP2 and
//! RESP3, with transactions and watched keys of two clients. Compared is everything, exactly, except:
//! the order where Redis promises none (HGETALL, KEYS, SCAN ...), and times that run while we look (TTL).

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod script;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use common::servers::Server;
use common::wire::{Client, Reply};
use compare::difference;
use script::{Step, any_script};

/// How many scripts, in each protocol.
const SCRIPTS: u32 = 400;

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
    script.iter().map(|(client, words)| clients[*client].ask(words).expect("a reply")).collect()
}

fn shown(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| format!("\"{}\"", word.escape_ascii())).collect::<Vec<_>>().join(" ")
}

fn compare_random_scripts(store: &Server, redis: &Server, protocol: u8) {
    let mut runner =
        TestRunner::new(Config { cases: SCRIPTS, failure_persistence: None, ..Config::default() });
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

/// The broken twin: one reply changed in any way must be noticed, or all of the above proves nothing.
#[tokio::test]
async fn a_changed_reply_is_noticed() {
    let redis = Server::redis(&["--save", "", "--appendonly", "no"]).await;
    let script: Vec<Step> = [
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
    ]
    .map(|text| (0, text.split(' ').map(|word| word.as_bytes().to_vec()).collect()))
    .into();
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
