//! Name servers for tests: a closure behind a UDP and a TCP socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, NS, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;

/// The address of the root's server, as a resolver knows it.
pub(crate) const ROOT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4));
/// The address of com.'s server, as the root tells it.
pub(crate) const COM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 5, 6, 30));
/// The address of myshop.com.'s first server, as com. tells it.
pub(crate) const SHOP: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53));
/// The address of its second server.
pub(crate) const SHOP2: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 54));

/// A query as a fake saw it: message id, type and name, its sender.
pub(crate) type Seen = (u16, String, SocketAddr);
/// Turns a query into responses (none: stay silent; several: send all).
pub(crate) type Respond = Arc<dyn Fn(&Message) -> Vec<Message> + Send + Sync>;

/// One name server, at `address` in the made-up world and at `socket` on this machine.
pub(crate) struct Fake {
    pub(crate) address: IpAddr,
    pub(crate) socket: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub(crate) async fn start(address: IpAddr, answer: Respond) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // The port may be in use on TCP: then another one.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let socket = udp.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn(datagrams(udp, Arc::clone(&answer), Arc::clone(&seen)));
        tokio::spawn(streams(tcp, answer, Arc::clone(&seen)));
        Fake { address, socket, seen }
    }

    /// One that is there but does nothing until it is told to go on, as a stopped process; then it answers
    /// what waits in its queue.
    pub(crate) async fn stopped(address: IpAddr, answer: Respond) -> (Self, Arc<Notify>) {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (socket, seen, go_on) = (udp.local_addr().unwrap(), Arc::default(), Arc::new(Notify::new()));
        let (fake, until) = (Fake { address, socket, seen: Arc::clone(&seen) }, Arc::clone(&go_on));
        tokio::spawn(async move {
            until.notified().await;
            datagrams(udp, answer, seen).await;
        });
        (fake, go_on)
    }

    /// An address with nobody behind it.
    pub(crate) async fn dead(address: IpAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        Fake { address, socket, seen: Arc::default() }
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

fn note(seen: &Mutex<Vec<Seen>>, query: &Message, peer: SocketAddr) {
    let question = &query.queries[0];
    seen.lock().unwrap().push((query.id, format!("{} {}", question.query_type, question.name), peer));
}

async fn datagrams(socket: UdpSocket, answer: Respond, seen: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let query = Message::from_vec(&buffer[..length]).unwrap();
        assert!(!query.recursion_desired, "a resolver queries name servers without RD");
        note(&seen, &query, peer);
        for mut response in answer(&query) {
            if response.to_vec().unwrap().len() > 1232 {
                response = response.truncate();
            }
            // The resolver may be gone.
            let _ = socket.send_to(&response.to_vec().unwrap(), peer).await;
        }
    }
}

async fn streams(listener: TcpListener, answer: Respond, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((mut stream, peer)) = listener.accept().await {
        let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
        stream.read_exact(&mut query).await.unwrap();
        let query = Message::from_vec(&query).unwrap();
        note(&seen, &query, peer);
        for response in answer(&query) {
            let bytes = response.to_vec().unwrap();
            stream.write_u16(u16::try_from(bytes.len()).unwrap()).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
        }
    }
}

/// Some name servers, the root's among them.
pub(crate) struct World(pub(crate) Vec<Fake>);

impl World {
    /// The lab's own: the root, com., and one server for myshop.com.
    pub(crate) async fn usual() -> Self {
        let mut world = World::with_shops(&[("ns1.myshop.com.", SHOP)]).await;
        world.0.push(Fake::start(SHOP, Arc::new(|query| vec![shop(query)])).await);
        world
    }

    /// The root and com., with these servers for myshop.com., who are still to be started.
    pub(crate) async fn with_shops(shops: &'static [(&'static str, IpAddr)]) -> Self {
        let root = move |query: &Message| match below("com.", query) {
            true => vec![referral(query, "com.", &[("a.gtld-servers.net.", COM)])],
            false => vec![negative(query, ".", ResponseCode::NXDomain)],
        };
        let com = move |query: &Message| match below("myshop.com.", query) {
            true => vec![referral(query, "myshop.com.", shops)],
            false => vec![negative(query, "com.", ResponseCode::NXDomain)],
        };
        World(vec![Fake::start(ROOT, Arc::new(root)).await, Fake::start(COM, Arc::new(com)).await])
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = (IpAddr, SocketAddr)> + '_ {
        self.0.iter().map(|fake| (fake.address, fake.socket))
    }

    /// What all servers saw, as (server, id, client).
    pub(crate) fn seen(&self) -> Vec<(SocketAddr, u16, SocketAddr)> {
        let of = |fake: &Fake| -> Vec<_> {
            fake.seen.lock().unwrap().iter().map(|(id, _, client)| (fake.socket, *id, *client)).collect()
        };
        self.0.iter().flat_map(of).collect()
    }

    pub(crate) fn questions(&self) -> usize {
        self.0.iter().map(Fake::count).sum()
    }
}

/// What myshop.com. answers.
pub(crate) fn shop(query: &Message) -> Message {
    let question = &query.queries[0];
    let name = question.name.to_ascii().to_lowercase();
    let alias = |from, to| record(from, 300, RData::CNAME(CNAME(self::name(to))));
    let address = |name, ttl| record(name, ttl, RData::A(A::new(127, 0, 113, 50)));
    match (name.as_str(), question.query_type) {
        ("api.myshop.com.", RecordType::A) => positive(query, vec![address("api.myshop.com.", 300)]),
        ("www.myshop.com.", RecordType::A) => positive(
            query,
            vec![alias("www.myshop.com.", "api.myshop.com."), address("api.myshop.com.", 300)],
        ),
        // The server gives only its own line: the resolver has to go on by itself.
        ("hop.myshop.com.", RecordType::A) => {
            positive(query, vec![alias("hop.myshop.com.", "api.myshop.com.")])
        }
        ("loop1.myshop.com.", RecordType::A) => {
            positive(query, vec![alias("loop1.myshop.com.", "loop2.myshop.com.")])
        }
        ("loop2.myshop.com.", RecordType::A) => {
            positive(query, vec![alias("loop2.myshop.com.", "loop1.myshop.com.")])
        }
        ("brief.myshop.com.", RecordType::A) => positive(query, vec![address("brief.myshop.com.", 1)]),
        ("dangling.myshop.com.", RecordType::A) => {
            let mut no = negative(query, "myshop.com.", ResponseCode::NXDomain);
            no.answers = vec![alias("dangling.myshop.com.", "nope.myshop.com.")];
            no
        }
        ("typeless.myshop.com.", RecordType::AAAA) => {
            let mut no = negative(query, "myshop.com.", ResponseCode::NoError);
            no.answers = vec![alias("typeless.myshop.com.", "api.myshop.com.")];
            no
        }
        ("big.myshop.com.", RecordType::A) => {
            let many = |n| record("big.myshop.com.", 60, RData::A(A::new(127, 1, 0, n)));
            positive(query, (0..100).map(many).collect())
        }
        ("nope.myshop.com.", _) => negative(query, "myshop.com.", ResponseCode::NXDomain),
        _ => negative(query, "myshop.com.", ResponseCode::NoError),
    }
}

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

pub(crate) fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(owner), ttl, data)
}

pub(crate) fn reply(query: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(query.id, query.op_code);
    reply.metadata.response_code = code;
    reply.queries.clone_from(&query.queries);
    reply
}

pub(crate) fn positive(query: &Message, records: Vec<Record>) -> Message {
    let mut reply = reply(query, ResponseCode::NoError);
    reply.metadata.authoritative = true;
    reply.answers = records;
    reply
}

/// With an SOA whose TTL (300) is larger than its MINIMUM (60), as some servers send it.
pub(crate) fn negative(query: &Message, zone: &str, code: ResponseCode) -> Message {
    let mut reply = reply(query, code);
    reply.metadata.authoritative = true;
    let soa = SOA::new(name("ns."), name("host."), 1, 2, 3, 4, 60);
    reply.authorities = vec![record(zone, 300, RData::SOA(soa))];
    reply
}

pub(crate) fn referral(query: &Message, zone: &str, servers: &[(&str, IpAddr)]) -> Message {
    let mut reply = reply(query, ResponseCode::NoError);
    for (server, address) in servers {
        reply.authorities.push(record(zone, 172_800, RData::NS(NS(name(server)))));
        let IpAddr::V4(address) = address else { continue };
        reply.additionals.push(record(server, 172_800, RData::A(A(*address))));
    }
    reply
}

pub(crate) fn below(zone: &str, query: &Message) -> bool {
    name(zone).zone_of(&query.queries[0].name)
}
