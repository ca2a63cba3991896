//! The same name servers and the same questions, to this resolver and to Unbound: RCODE, answers with their
//! aliases, TTLs, and the SOA of a negative answer have to be the same.
//!
//! Unbound cannot follow a referral to a port other than 53, so it is told where each zone is (as the recipe
//! does); referrals themselves are compared nowhere but in what comes of them.
//!
//! What differs on purpose, and is therefore not compared here:
//! * a TTL with its highest bit set is 0 to Unbound (RFC 2181 §8) and as large as TTLs get here (RFC 8767 §4);
//! * Unbound answers `localhost.` and reverse lookups of private addresses by itself; here the root is queried;
//! * Unbound keeps a "no" for an hour at most, this resolver for three (both within RFC 2308 §5);
//! * Unbound passes on a record that is in a set twice; here it is suppressed (RFC 2181 §5);
//! * to ANY Unbound gives what happens to be in its cache; here the name server is queried (RFC 8482 allows both);
//! * a stub zone for the root gets SERVFAIL from Unbound, so no name outside com. is compared;
//! * Unbound waits longer for a server that is silent, and keeps failures for five seconds instead of one.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::Stdio;
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, NS, NULL, TXT};
use hickory_proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;
use tokio::process::{Child, Command};

use crate::fake::{
    COM, Fake, ROOT, Respond, SHOP, World, name, negative, positive, record, referral, reply, shop,
};
use crate::{LIMIT, query, resolver};

/// Zones below com. that are served by somebody odd, each with an address of its own.
const ODD: [&str; 6] = ["odd.com.", "ents.com.", "old.com.", "lame.com.", "liar.com.", "renamed.com."];

fn address_of(index: usize) -> IpAddr {
    IpAddr::from([203, 0, 114, u8::try_from(index).unwrap()])
}

fn a(owner: &str, ttl: u32, last: u8) -> Record {
    record(owner, ttl, RData::A(A::new(127, 0, 0, last)))
}

fn alias(owner: &str, to: &str) -> Record {
    record(owner, 120, RData::CNAME(CNAME(name(to))))
}

/// Sets with uneven TTLs, duplicates, several types, and aliases that lead elsewhere.
fn odd(query: &Message) -> Vec<Message> {
    let question = &query.queries[0];
    let owner = question.name.to_ascii().to_lowercase();
    let no = |code| negative(query, "odd.com.", code);
    vec![match (owner.as_str(), question.query_type) {
        ("uneven.odd.com.", RecordType::A) => {
            positive(query, vec![a(&owner, 300, 1), a(&owner, 40, 2), a(&owner, 100, 1)])
        }
        ("month.odd.com.", RecordType::A) => positive(query, vec![a(&owner, 2_592_000, 1)]),
        ("mail.odd.com.", RecordType::MX) => {
            positive(query, vec![record(&owner, 60, RData::MX(MX::new(10, name("mail.odd.com."))))])
        }
        ("text.odd.com.", RecordType::TXT) => {
            positive(query, vec![record(&owner, 60, RData::TXT(TXT::new(vec!["a;b \"c\"".to_owned()])))])
        }
        // To another zone, which has it; which has not; and with a claim about that zone.
        ("to-shop.odd.com.", _) => positive(query, vec![alias(&owner, "api.myshop.com.")]),
        ("to-www.odd.com.", _) => positive(query, vec![alias(&owner, "www.myshop.com.")]),
        ("to-nobody.odd.com.", _) => positive(query, vec![alias(&owner, "nope.myshop.com.")]),
        ("to-claimed.odd.com.", _) => {
            positive(query, vec![alias(&owner, "api.myshop.com."), a("api.myshop.com.", 300, 66)])
        }
        // The code of this answer is about a name of another zone, and wrong.
        ("to-denied.odd.com.", _) => {
            let mut denied = no(ResponseCode::NXDomain);
            denied.answers = vec![alias(&owner, "api.myshop.com.")];
            denied
        }
        ("chain.odd.com.", _) => positive(
            query,
            vec![alias(&owner, "chain2.odd.com."), alias("chain2.odd.com.", "uneven.odd.com.")],
        ),
        ("self.odd.com.", _) => positive(query, vec![alias(&owner, &owner)]),
        ("chain2.odd.com.", _) => positive(query, vec![alias(&owner, "uneven.odd.com.")]),
        ("odd.com.", RecordType::NS) => {
            positive(query, vec![record(&owner, 60, RData::NS(NS(name("ns1.odd.com."))))])
        }
        ("uneven.odd.com." | "month.odd.com." | "mail.odd.com." | "text.odd.com." | "odd.com.", _) => {
            no(ResponseCode::NoError)
        }
        _ => no(ResponseCode::NXDomain),
    }]
}

/// Denies the names between its zone and its names.
fn ents(query: &Message) -> Vec<Message> {
    vec![match query.queries[0].name.to_ascii().to_lowercase().as_str() {
        "a.b.c.ents.com." if query.queries[0].query_type == RecordType::A => {
            positive(query, vec![a("a.b.c.ents.com.", 60, 1)])
        }
        "a.b.c.ents.com." => negative(query, "ents.com.", ResponseCode::NoError),
        _ => negative(query, "ents.com.", ResponseCode::NXDomain),
    }]
}

/// Knows no EDNS.
fn old(query: &Message) -> Vec<Message> {
    vec![match query.edns {
        Some(_) => reply(query, ResponseCode::FormErr),
        None => positive(query, vec![a(&query.queries[0].name.to_ascii(), 60, 1)]),
    }]
}

/// Says more than it was queried for, and of others.
fn liar(query: &Message) -> Vec<Message> {
    let owner = query.queries[0].name.to_ascii();
    let mut said =
        positive(query, vec![a(&owner, 60, 1), a("api.myshop.com.", 60, 66), a("more.liar.com.", 60, 2)]);
    said.authorities = vec![record("myshop.com.", 60, RData::NS(NS(name("ns.liar.com."))))];
    said.additionals = vec![a("ns1.myshop.com.", 60, 66)];
    vec![said]
}

/// All of renamed.com. is now in myshop.com. (RFC 6672).
fn renamed(query: &Message) -> Vec<Message> {
    let owner = query.queries[0].name.clone();
    if owner == name("renamed.com.") {
        return vec![negative(query, "renamed.com.", ResponseCode::NoError)];
    }
    let target = hickory_proto::serialize::binary::BinEncodable::to_bytes(&name("myshop.com.")).unwrap();
    let data = RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(target) };
    let label = owner.iter().next().unwrap();
    let to = format!("{}.myshop.com.", String::from_utf8_lossy(label));
    vec![positive(query, vec![record("renamed.com.", 120, data), alias(&owner.to_ascii(), &to)])]
}

async fn world() -> World {
    let root = |query: &Message| {
        vec![match crate::fake::below("com.", query) {
            true => referral(query, "com.", &[("a.gtld-servers.net.", COM)]),
            false => negative(query, ".", ResponseCode::NXDomain),
        }]
    };
    let com = |query: &Message| {
        if crate::fake::below("myshop.com.", query) {
            return vec![referral(query, "myshop.com.", &[("ns1.myshop.com.", SHOP)])];
        }
        let odd = ODD.iter().enumerate().find(|(_, zone)| crate::fake::below(zone, query));
        vec![match odd {
            Some((index, zone)) => referral(query, zone, &[(&format!("ns1.{zone}"), address_of(index))]),
            None => negative(query, "com.", ResponseCode::NXDomain),
        }]
    };
    let lame = |query: &Message| vec![reply(query, ResponseCode::Refused)];
    let servers: [Respond; 6] =
        [Arc::new(odd), Arc::new(ents), Arc::new(old), Arc::new(lame), Arc::new(liar), Arc::new(renamed)];
    let mut world = World(vec![
        Fake::start(ROOT, Arc::new(root)).await,
        Fake::start(COM, Arc::new(com)).await,
        Fake::start(SHOP, Arc::new(|query| vec![shop(query)])).await,
    ]);
    for (index, answer) in servers.into_iter().enumerate() {
        world.0.push(Fake::start(address_of(index), answer).await);
    }
    world
}

/// Unbound, told where each zone of the world is.
async fn unbound(world: &World, folder: &std::path::Path) -> (Child, SocketAddr) {
    let address = hop::listen::own_loopback();
    let zones = [".", "com.", "myshop.com."].into_iter().chain(ODD);
    let stubs: String = zones
        .zip(&world.0)
        .map(|(zone, fake)| {
            let at = format!("{}@{}", fake.socket.ip(), fake.socket.port());
            format!("stub-zone:\n  name: \"{zone}\"\n  stub-addr: {at}\n  stub-prime: no\n")
        })
        .collect();
    let config = format!(
        "server:\n  directory: \"{0}\"\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  \
         interface: {1}@{2}\n  port: {2}\n  access-control: 127.0.0.0/8 allow\n  do-not-query-localhost: no\n  \
         do-ip6: no\n  module-config: \"iterator\"\n  num-threads: 1\n{stubs}",
        folder.display(),
        address.ip(),
        address.port(),
    );
    let file = folder.join("unbound.conf");
    std::fs::write(&file, config).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("/usr/bin/env");
    command.env("PATH", path).args(["unbound", "-d", "-p", "-c"]).arg(&file);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn();
    let child = child.expect("start unbound");
    let up = hop::wait::until("Unbound to answer", LIMIT, async || {
        exchange(address, "com.", RecordType::SOA).await
    });
    let said = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    up.await.unwrap_or_else(|error| panic!("{error}\n  what to do: apt-get install unbound\n{}", said()));
    (child, address)
}

/// One question over UDP, and again over TCP when the answer is cut off, as clients do.
async fn exchange(server: SocketAddr, owner: &str, kind: RecordType) -> Option<Message> {
    use tokio::io::AsyncWriteExt as _;
    let query = query(owner, kind);
    let bytes = query.to_vec().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&bytes, server).await.unwrap();
    let mut buffer = vec![0; 4096];
    let length = tokio::time::timeout(LIMIT / 4, socket.recv(&mut buffer)).await.ok()?.ok()?;
    let reply = Message::from_vec(&buffer[..length]).unwrap();
    if !reply.truncation {
        return Some(reply);
    }
    let mut stream = tokio::net::TcpStream::connect(server).await.ok()?;
    stream.write_all(&dnswire::framed(&bytes).unwrap()).await.ok()?;
    let reply = dnswire::Frames::new(&mut stream).next().await.ok()??;
    Some(Message::from_vec(&reply).unwrap())
}

/// What has to be the same, in a form that can be compared. Records of a set have no order.
fn essence(reply: &Message) -> (ResponseCode, Vec<String>, Vec<String>) {
    let sorted = |records: &[Record]| {
        let line = |record: &Record| format!("{} {} {}", record.name, record.record_type(), record.data);
        let mut lines: Vec<String> = records.iter().map(|record| line(record).to_lowercase()).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    let soa: Vec<Record> =
        reply.authorities.iter().filter(|record| record.record_type() == RecordType::SOA).cloned().collect();
    (reply.response_code, sorted(&reply.answers), sorted(&soa))
}

/// The TTL of each set: to Unbound every record keeps its own, here they get the lowest (RFC 2181 §5.2).
fn ttls(reply: &Message) -> BTreeMap<String, u32> {
    let soa = reply.authorities.iter().filter(|record| record.record_type() == RecordType::SOA);
    let mut ttls = BTreeMap::new();
    for record in reply.answers.iter().chain(soa) {
        // What a DNAME made lives for no time to Unbound, and as long as the DNAME here (RFC 6672 §3.1).
        if record.record_type() == RecordType::CNAME && name("renamed.com.").zone_of(&record.name) {
            continue;
        }
        let lowest = ttls.entry(format!("{} {}", record.name, record.record_type()).to_lowercase());
        let lowest = lowest.or_insert(record.ttl);
        *lowest = record.ttl.min(*lowest);
    }
    ttls
}

#[tokio::test]
async fn unbound_says_the_same() {
    use RecordType::{A, AAAA, CNAME, MX, NS, SOA, SRV, TXT};
    let world = world().await;
    let folder = tempfile::tempdir().unwrap();
    let (_unbound, server) = unbound(&world, folder.path()).await;
    let (ours, _) = resolver(&world);
    let shop = ["api", "www", "hop", "nope", "dangling", "typeless", "big", "loop1", "brief", "ns1"];
    let odd = [
        "uneven",
        "month",
        "mail",
        "text",
        "to-shop",
        "to-www",
        "to-nobody",
        "to-claimed",
        "to-denied",
        "chain",
        "chain2",
        "self",
        "nope",
    ];
    let mut names: Vec<String> = shop.iter().map(|label| format!("{label}.myshop.com.")).collect();
    names.extend(odd.iter().map(|label| format!("{label}.odd.com.")));
    names.extend(["api", "www", "hop", "nope"].map(|label| format!("{label}.renamed.com.")));
    names.extend(["WwW.MyShop.cOm.", "a.b.c.ents.com.", "b.c.ents.com.", "c.ents.com."].map(str::to_owned));
    names.extend(["x.old.com.", "x.lame.com.", "x.liar.com.", "more.liar.com."].map(str::to_owned));
    names.extend(["nothing.com.", "deep.in.nothing.com.", "odd.com.", "myshop.com."].map(str::to_owned));
    let kinds = [A, AAAA, CNAME, MX, NS, SOA, SRV, TXT];
    let (mut compared, mut differ) = (0, Vec::new());
    for owner in &names {
        for kind in kinds {
            // The liar and the server without EDNS give every question an address.
            if kind != A && (owner.contains("liar") || owner.contains("old")) {
                continue;
            }
            // Cold, and then from both caches.
            for _ in 0..2 {
                let theirs = exchange(server, owner, kind).await.expect("Unbound answers");
                let (mine, _) = crate::resolve(&ours, owner, kind).await;
                compared += 1;
                if essence(&theirs) != essence(&mine) {
                    differ.push(format!(
                        "{owner} {kind}\n  Unbound {:?}\n  ours    {:?}",
                        essence(&theirs),
                        essence(&mine)
                    ));
                    continue;
                }
                // They were queried at different moments, on a busy machine.
                let pairs = ttls(&theirs).into_iter().zip(ttls(&mine));
                let far = pairs.filter(|(theirs, mine)| theirs.0 != mine.0 || theirs.1.abs_diff(mine.1) > 10);
                differ.extend(
                    far.map(|(theirs, mine)| format!("{owner} {kind}: TTLs\n  {theirs:?}\n  {mine:?}")),
                );
            }
        }
    }
    assert!(compared > 500, "{compared} comparisons");
    assert!(differ.is_empty(), "{} of {compared} differ:\n{}", differ.len(), differ.join("\n"));
}
