//! What is asked of a server, and how long each answer took.

use std::net::SocketAddr;
use std::time::Duration;

use hop::clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What every client sends, again and again.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `SET` of 256 bytes.
    Set,
    /// What an item that goes into a cart changes: the cart's line and the outbox, in one transaction.
    Cart,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Set => "SET of 256 bytes",
            Self::Cart => "MULTI HINCRBY XADD EXEC",
        }
    }

    /// The request, and how many lines the reply to it has.
    fn request(self, client: usize) -> (Vec<u8>, usize) {
        match self {
            Self::Set => (encode(&[&["SET", &format!("key:{client}"), &"x".repeat(256)]]), 1),
            // OK, 2 times QUEUED, the array, a number, and an id with its length.
            Self::Cart => (add_item(&format!("customer-{client}"), "PROD-123"), 7),
        }
    }
}

/// The transaction that adds an item, as the cart service sends it.
pub(crate) fn add_item(customer: &str, product: &str) -> Vec<u8> {
    let event = format!(
        "{{\"type\":\"item-added\",\"eventId\":\"{:032x}\",\"cartId\":\"{customer}\",\"itemId\":\"ITEM-123\",\
         \"productId\":\"{product}\",\"quantity\":1,\"at\":1770000000000}}",
        7
    );
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    encode(&[
        &["MULTI"],
        &["HINCRBY", &format!("cart:{customer}"), product, "1"],
        &["XADD", &format!("outbox:{customer}"), "*", "event", &event, "traceparent", traceparent],
        &["EXEC"],
    ])
}

/// Commands as arrays of bulk strings.
pub(crate) fn encode(commands: &[&[&str]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for words in commands {
        bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in *words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
    }
    bytes
}

/// What a closed loop gave.
#[derive(Default)]
pub(crate) struct Figures {
    latencies: Vec<Duration>,
    time: Duration,
}

impl Figures {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// In microseconds.
    pub(crate) fn quantile(&mut self, quantile: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = (self.latencies.len() as f64 * quantile) as usize;
        self.latencies.get(at).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e6)
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.time += other.time;
    }
}

/// Connections that stay open from round to round.
pub(crate) struct Clients(Vec<TcpStream>);

impl Clients {
    pub(crate) async fn connect(address: SocketAddr, count: usize) -> Self {
        let mut clients = Vec::new();
        for _ in 0..count {
            let stream = TcpStream::connect(address).await.expect("it listens");
            stream.set_nodelay(true).expect("a socket");
            clients.push(stream);
        }
        Self(clients)
    }

    /// Closed loop: each client sends its next request when it has the answer to the last, so many times.
    pub(crate) async fn run(&mut self, kind: Kind, requests: usize) -> Figures {
        let begun = clock::monotonic();
        let tasks: Vec<_> = self
            .0
            .drain(..)
            .enumerate()
            .map(|(client, stream)| tokio::spawn(one(stream, kind.request(client), requests)))
            .collect();
        let mut figures = Figures::default();
        for task in tasks {
            let (stream, latencies) = task.await.expect("no panic");
            figures.latencies.extend(latencies);
            self.0.push(stream);
        }
        figures.time = clock::since(begun);
        figures
    }
}

async fn one(
    mut stream: TcpStream,
    (request, lines): (Vec<u8>, usize),
    requests: usize,
) -> (TcpStream, Vec<Duration>) {
    let mut latencies = Vec::with_capacity(requests);
    let mut input = vec![0; 4096];
    for _ in 0..requests {
        let sent = clock::monotonic();
        stream.write_all(&request).await.expect("it reads");
        let mut missing = lines;
        while missing > 0 {
            let read = stream.read(&mut input).await.expect("it answers");
            assert!(read > 0, "it hung up");
            assert!(!input[..read].contains(&b'-') || lines > 1, "it refused");
            missing -= input[..read].iter().filter(|byte| **byte == b'\n').count();
        }
        latencies.push(clock::since(sent));
    }
    (stream, latencies)
}

/// Sends many requests without waiting and reads all their replies, of so many lines each.
pub(crate) async fn pour(address: SocketAddr, requests: impl Iterator<Item = Vec<u8>>, lines: usize) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut requests = requests.peekable();
    let mut input = vec![0; 64 << 10];
    while requests.peek().is_some() {
        let some: Vec<Vec<u8>> = requests.by_ref().take(200).collect();
        let mut missing = some.len() * lines;
        stream.write_all(&some.concat()).await.expect("it reads");
        while missing > 0 {
            let read = stream.read(&mut input).await.expect("it answers");
            assert!(read > 0, "it hung up");
            missing -= input[..read].iter().filter(|byte| **byte == b'\n').count();
        }
    }
}
