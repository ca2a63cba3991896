//! The name server's own tests: bytes in, bytes out; zone files; real sockets.

mod answers;
mod differential;
mod generated;
mod serving;
mod wire;
mod zones;

use std::path::{Path, PathBuf};

use dns::respond::respond;
use dns::zone::{Zone, Zones};
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{Name, RecordType};
use journey::Transport;

/// The committed zone file of this name.
fn zone_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("zones").join(name)
}

/// The committed zones, each in a server of its own, as in the lab.
fn zones(origin: &str, file: &str) -> Zones {
    let zone = Zone::load(&Name::from_ascii(origin).unwrap(), &zone_file(file)).unwrap();
    Zones::new([zone]).unwrap()
}

fn root() -> Zones {
    zones(".", "root.zone")
}

fn com() -> Zones {
    zones("com.", "com.zone")
}

fn myshop() -> Zones {
    zones("myshop.com.", "myshop.com.zone")
}

/// A zone from text, below `example.`, with the SOA and NS that every zone needs.
fn example(lines: &str) -> Zones {
    Zones::new([load_example(lines).unwrap()]).unwrap()
}

fn load_example(lines: &str) -> Result<Zone, zonefile::Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.zone");
    let head = "$TTL 300\n@ IN SOA ns host 1 2 3 4 60\n@ IN NS ns\nns IN A 127.0.0.1\n";
    std::fs::write(&path, format!("{head}{lines}")).unwrap();
    Zone::load(&Name::from_ascii("example.").unwrap(), &path)
}

/// A query with EDNS, as resolvers send it.
fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.set_edns(edns);
    message
}

fn send(zones: &Zones, query: &Message, transport: Transport) -> Message {
    let response = respond(zones, &query.to_vec().unwrap(), transport).expect("a response");
    let message = Message::from_vec(&response.bytes).unwrap();
    assert_eq!((message.id, &message.queries), (query.id, &query.queries));
    message
}

fn look_up(zones: &Zones, name: &str, kind: RecordType) -> Message {
    send(zones, &query(name, kind), Transport::Udp)
}

/// The data of records, as text, for comparison.
fn data(records: &[hickory_proto::rr::Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {} {}", record.name, record.record_type(), record.data)).collect()
}
