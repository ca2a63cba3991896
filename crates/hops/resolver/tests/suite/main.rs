//! The resolver's own tests. The name servers are played by small responders in the test process, so
//! that they can also be dead, silent, lame or lying.

mod concurrent;
mod doh;
mod fake;
mod iterate;
mod serving;
mod silence;
mod tricks;
mod trouble;
mod unbound;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use fake::World;
use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, Record, RecordType};
use hop::Telemetry;
use journey::Transport;
use recursion::ServerMap;
use resolver::respond::{Responder, Response};

/// Far more than anything here takes.
const LIMIT: Duration = Duration::from_secs(20);

/// A resolver that finds the world's name servers at their made-up addresses, and its spans.
fn resolver(world: &World) -> (Responder, Telemetry) {
    let telemetry = Telemetry::memory("resolver");
    let servers = ServerMap::new(1, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53))).moved(world.addresses());
    (Responder::new(vec![fake::ROOT], servers, &telemetry), telemetry)
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.metadata.recursion_desired = true;
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.set_edns(edns);
    message
}

/// Resolves without sockets: bytes in, bytes out.
async fn resolve(resolver: &Responder, name: &str, kind: RecordType) -> (Message, Response) {
    let query = query(name, kind);
    let trace = resolver.query_trace();
    let bytes = query.to_vec().unwrap();
    let answering = resolver.respond(&bytes, Transport::Tcp, &trace);
    let response =
        tokio::time::timeout(LIMIT, answering).await.expect("no answer in time").expect("a response");
    let message = Message::from_vec(&response.bytes).unwrap();
    assert_eq!((message.id, &message.queries), (query.id, &query.queries));
    assert!(message.recursion_available);
    compare_with_cache(resolver, &bytes).await;
    (message, response)
}

/// What the receive loop says out of the cache is what a task of its own would say, to the last record and flag.
async fn compare_with_cache(resolver: &Responder, query: &[u8]) {
    let mut short = Vec::new();
    let Some(described) = resolver.respond_from_cache(query, &mut short) else { return };
    let long = resolver.respond(query, Transport::Udp, &resolver.query_trace()).await.expect("a response");
    let read = |bytes: &[u8]| {
        let mut message = Message::from_vec(bytes).unwrap();
        for record in message.answers.iter_mut().chain(&mut message.authorities) {
            record.ttl = record.ttl.div_ceil(10); // a second may have begun between the two
        }
        // A pointer may lead to another spelling of a name.
        format!("{message:?}").to_lowercase()
    };
    assert_eq!(read(&short), read(&long.bytes));
    let of = |response: &Response| {
        (
            response.id,
            response.question.clone(),
            response.code,
            response.resolved.upstream_queries,
            response.resolved.cache,
        )
    };
    assert_eq!(of(&described), of(&long));
}

/// The data of records, as text, for comparison.
fn data(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {} {}", record.name, record.record_type(), record.data)).collect()
}

/// The text of a response's Extended DNS Error.
fn reason(message: &Message) -> String {
    let edns = message.edns.as_ref().expect("EDNS");
    let option = edns.option(15.into()).expect("an Extended DNS Error");
    let EdnsOption::Unknown(15, bytes) = option else { panic!("{option:?}") };
    String::from_utf8(bytes[2..].to_vec()).unwrap()
}
