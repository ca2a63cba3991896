//! What is asked, and how answers are counted.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hop::clock;
use hop::datagrams::{ReceiveBatch, SendBatch};
use tokio::net::UdpSocket;

/// Sockets that ask at the same time, and how many queries of each are on their way.
pub(crate) const CLIENTS: usize = 4;
pub(crate) const IN_FLIGHT: usize = 50;
/// A query that has no answer by then is lost: datagrams may be.
const PATIENCE: Duration = Duration::from_millis(500);
/// Ends the question of every query: the zone, type A, class IN; then an OPT record that allows 1232 bytes.
const ENDING: &[u8] = b"\x05bench\x04test\0\0\x01\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// The names of a zone, `n0000000.bench.test.` and so on, or as many that are not in it.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) count: u32,
    pub(crate) exist: bool,
}

impl Names {
    /// The zone that has them, as a file (RFC 1035 §5).
    pub(crate) fn zone(self) -> String {
        let mut text = String::from(
            "$TTL 86400\n@ IN SOA ns host 1 3600 600 86400 3600\n@ IN NS ns\nns IN A 127.0.0.1\n",
        );
        for number in 0..self.count {
            let [_, a, b, c] = number.to_be_bytes();
            text.push_str(&format!("n{number:07} IN A 127.{a}.{b}.{c}\n"));
        }
        text
    }

    /// One query, as resolvers send it to name servers, but for RD, which clients of resolvers set.
    pub(crate) fn write_query(self, query: &mut Vec<u8>, id: u16, random: u32) {
        let number = random % self.count.max(1);
        query.extend(id.to_be_bytes());
        query.extend(b"\x01\0\0\x01\0\0\0\0\0\x01\x08");
        query.push(if self.exist { b'n' } else { b'x' });
        let mut digits = [b'0'; 7];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        query.extend(digits);
        query.extend(ENDING);
    }

    /// Is this the right answer? NOERROR with a record, or NXDOMAIN with the SOA.
    pub(crate) fn is_answer(self, bytes: &[u8]) -> bool {
        let Some(header) = bytes.first_chunk::<12>() else { return false };
        let (code, answers, authorities) = (header[3] & 0x0f, header[7], header[9]);
        header[2] & 0x80 != 0
            && if self.exist {
                code == 0 && answers == 1
            } else {
                code == 3 && answers == 0 && authorities >= 1
            }
    }
}

/// What became of a round's queries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) answers: u64,
    pub(crate) lost: u64,
    pub(crate) wrong: u64,
    pub(crate) seconds: f64,
}

/// A closed loop of all clients: each keeps [`IN_FLIGHT`] queries on their way, for so long.
pub(crate) async fn load(address: SocketAddr, names: Names, time: Duration) -> anyhow::Result<Count> {
    let begun = clock::monotonic();
    let until = begun + time;
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).await?;
        clients.push(tokio::spawn(one(socket, address, names, until, number as u32 + 1)));
    }
    let mut count = Count::default();
    for client in clients {
        let of_one = client.await??;
        count.answers += of_one.answers;
        count.lost += of_one.lost;
        count.wrong += of_one.wrong;
    }
    count.seconds = clock::since(begun).as_secs_f64();
    Ok(count)
}

async fn one(
    socket: UdpSocket,
    address: SocketAddr,
    names: Names,
    until: Instant,
    seed: u32,
) -> anyhow::Result<Count> {
    let (mut received, mut queries) = (ReceiveBatch::default(), SendBatch::default());
    let (mut count, mut random, mut id) = (Count::default(), seed, 0_u16);
    let (mut to_send, mut waiting) = (IN_FLIGHT, 0);
    loop {
        if clock::monotonic() < until {
            for _ in 0..to_send {
                // xorshift32: where in the zone does not matter, so long as it is everywhere.
                random ^= random << 13;
                random ^= random >> 17;
                random ^= random << 5;
                id = id.wrapping_add(1);
                queries.add(address, |query| {
                    names.write_query(query, id, random);
                    Some(())
                });
            }
            waiting += to_send;
            queries.send(&socket).await;
        }
        if waiting == 0 {
            return Ok(count);
        }
        match tokio::time::timeout(PATIENCE, received.receive(&socket)).await {
            Ok(outcome) => outcome?,
            Err(_) => {
                count.lost += waiting as u64;
                (to_send, waiting) = (IN_FLIGHT, 0);
                continue;
            }
        }
        let (answers, all) = received.iter().fold((0, 0), |(answers, all), datagram| {
            (answers + u64::from(names.is_answer(datagram.bytes)), all + 1)
        });
        count.answers += answers;
        count.wrong += all as u64 - answers;
        to_send = all;
        waiting = waiting.saturating_sub(all);
    }
}
