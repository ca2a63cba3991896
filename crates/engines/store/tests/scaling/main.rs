//! A process of its own, because it measures time that other tests would take.
//!
//! The same work per command, however many came before: what is done for each of n commands may not grow with n.
//!
//! Each row is a way in which a client piles something up. It is done with n and with 10 n, and the time per command
//! is compared: proportional work gives a ratio of about 1, work that looks at everything before it one of about 10.

#[path = "../suite/client.rs"]
mod client;
#[path = "../suite/servers.rs"]
mod servers;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use servers::Server;

const SMALL: usize = 2_000;
const LARGE: usize = 20_000;
/// What a busy machine may add. Quadratic work would be twice that.
const TOLERANCE: f64 = 5.0;
/// How often a row is tried before it counts as failed: the best ratio is the one with the least noise.
const ROUNDS: usize = 4;

/// What comes before, what is said n times (`#` is the number), and what comes after.
struct Row {
    name: &'static str,
    before: &'static [&'static str],
    each: &'static [&'static str],
    after: &'static [&'static str],
    /// Each command waits for the reply to the one before.
    one_by_one: bool,
}

const ROWS: &[Row] = &[
    Row {
        name: "MULTI, one by one",
        before: &["multi"],
        each: &["incr n"],
        after: &["exec"],
        one_by_one: true,
    },
    Row {
        name: "MULTI, pipelined",
        before: &["multi"],
        each: &["incr n"],
        after: &["exec"],
        one_by_one: false,
    },
    Row {
        name: "WATCH",
        before: &[],
        each: &["watch k#"],
        after: &["multi", "incr n", "exec"],
        one_by_one: false,
    },
    Row {
        name: "APPEND",
        before: &[],
        each: &["append a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],
        after: &[],
        one_by_one: false,
    },
    Row {
        name: "SETRANGE",
        before: &["setrange a 1000000 x"],
        each: &["setrange a # x"],
        after: &[],
        one_by_one: false,
    },
    Row {
        name: "HSET",
        before: &[],
        each: &["hset h f# v"],
        after: &["hgetall h", "hkeys h"],
        one_by_one: false,
    },
    Row {
        name: "HINCRBYFLOAT",
        before: &[],
        each: &["hincrbyfloat h f# 0.5"],
        after: &[],
        one_by_one: false,
    },
    Row {
        name: "HDEL, oldest first",
        before: &[],
        each: &["hset h f# v", "hset h g# v", "hdel h f#"],
        after: &[],
        one_by_one: false,
    },
    Row {
        name: "an outbox",
        before: &[],
        each: &["xadd s #-1 f v", "xadd s #-2 f v", "xrange s - + count 1", "xdel s #-1"],
        after: &["xrange s - +"],
        one_by_one: false,
    },
    Row {
        name: "XREAD",
        before: &[],
        each: &["xadd s #-1 f v", "xread count 1 streams s #"],
        after: &["xinfo stream s"],
        one_by_one: false,
    },
    Row {
        name: "keys that come and go",
        before: &[],
        each: &["set k# v px 100000", "getdel k#"],
        after: &["dbsize"],
        one_by_one: false,
    },
    Row {
        name: "keys that stay",
        before: &[],
        each: &["setex k# 1000 v", "msetnx a# 1 b# 2"],
        after: &["scan 0 count 1000"],
        one_by_one: false,
    },
];

/// One command as it goes over the wire.
fn encode(template: &str, number: usize, into: &mut Vec<u8>) {
    into.extend_from_slice(template.replace('#', &(number + 1).to_string()).as_bytes());
    into.extend_from_slice(b"\r\n");
}

/// Sends commands and a last one whose reply is known, and reads until that reply.
fn exchange(stream: &mut TcpStream, mut commands: Vec<u8>) {
    commands.extend_from_slice(b"echo the-end-of-it\r\n");
    let mut writer = stream.try_clone().expect("a second handle");
    let sender = std::thread::spawn(move || writer.write_all(&commands).expect("sent"));
    let (mut tail, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    while !tail.ends_with(b"the-end-of-it\r\n") {
        let count = stream.read(&mut buffer).expect("replies");
        assert!(count > 0, "the store hung up");
        tail.extend_from_slice(&buffer[..count]);
        tail.drain(..tail.len().saturating_sub(64));
    }
    sender.join().expect("it sent all");
}

/// Nanoseconds per command when there are `count` of them.
fn measure(address: SocketAddr, row: &Row, count: usize) -> f64 {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("set");
    stream.set_read_timeout(Some(Duration::from_secs(120))).expect("set");
    exchange(&mut stream, b"flushall\r\n".to_vec());
    let mut all = Vec::new();
    row.before.iter().for_each(|text| encode(text, 0, &mut all));
    let begun = hop::clock::monotonic();
    if row.one_by_one {
        stream.write_all(&all).expect("sent");
        let mut reply = [0; 256];
        assert!(stream.read(&mut reply).expect("a reply") > 0);
        for number in 0..count {
            let mut one = Vec::new();
            row.each.iter().for_each(|text| encode(text, number, &mut one));
            stream.write_all(&one).expect("sent");
            let length = stream.read(&mut reply).expect("a reply");
            assert_eq!(&reply[..length], b"+QUEUED\r\n");
        }
        all.clear();
    } else {
        for number in 0..count {
            row.each.iter().for_each(|text| encode(text, number, &mut all));
        }
    }
    row.after.iter().for_each(|text| encode(text, count, &mut all));
    if row.before == ["multi"] {
        // Queued, the last command's reply would not be what it says.
        assert_eq!(row.after, ["exec"]);
    }
    exchange(&mut stream, all);
    hop::clock::since(begun).as_nanos() as f64 / count as f64
}

#[tokio::test]
async fn a_command_costs_the_same_however_many_came_before() {
    let store = Server::store(&["--appendfsync", "everysec"]).await;
    let mut slow = Vec::new();
    for row in ROWS {
        let ratios =
            (0..ROUNDS).map(|_| measure(store.address, row, LARGE) / measure(store.address, row, SMALL));
        let mut best = f64::INFINITY;
        for ratio in ratios {
            best = best.min(ratio);
            if best < TOLERANCE {
                break;
            }
        }
        println!("{}: {best:.2}", row.name);
        if best >= TOLERANCE {
            slow.push(format!("{} ({best:.1} times as much per command)", row.name));
        }
    }
    assert!(slow.is_empty(), "work that grows with what came before: {}", slow.join(", "));
}
