//! A query over UDP, and whether TCP is there as well (RFC 7766 §5: both are a must).

use std::net::{Ipv4Addr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;

use super::exchange::{LIMIT, connect, quoted};
use super::refusal::Refusal;

/// A name server must be authoritative for each of its zones.
pub(super) async fn zones(zones: &[Name], at: SocketAddr) -> Result<(), Refusal> {
    for zone in zones {
        let wanted = "the zone's SOA record, with AA=1";
        let answer = query(zone, RecordType::SOA, false, at, wanted).await?;
        let has_soa = answer.answers.iter().any(|record| record.record_type() == RecordType::SOA);
        let wrong = match answer.response_code {
            ResponseCode::NoError if !has_soa => "no SOA record".to_owned(),
            ResponseCode::NoError if !answer.authoritative => "an answer without AA".to_owned(),
            ResponseCode::NoError => continue,
            code => name_of(code),
        };
        return Err(refusal(&sent(zone, RecordType::SOA), at, wrong, wanted));
    }
    Ok(())
}

/// A resolver must have an answer; of an address one that says it. SERVFAIL is one, too: who is told the shop's zones
/// only finds nothing else, and works.
pub(super) async fn resolve(name: &Name, kind: RecordType, at: SocketAddr) -> Result<(), Refusal> {
    let wanted = "what it found from the root down (ROOTS)";
    let answer = query(name, kind, true, at, wanted).await?;
    let has_address = answer.answers.iter().any(|record| record.record_type() == RecordType::A);
    let wrong = match answer.response_code {
        code @ ResponseCode::Refused => name_of(code),
        ResponseCode::NoError if kind == RecordType::A && !has_address => "no A record".to_owned(),
        code if kind == RecordType::A && !has_address => name_of(code),
        _ => return Ok(()),
    };
    Err(refusal(&sent(name, kind), at, wrong, wanted))
}

fn sent(name: &Name, kind: RecordType) -> String {
    format!("the {kind} record of \"{name}\"")
}

/// As the field spells it (RFC 1035 §4.1.1).
fn name_of(code: ResponseCode) -> String {
    match code {
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        code => code.to_string(),
    }
}

fn refusal(sent: &str, at: SocketAddr, answered: String, wanted: &str) -> Refusal {
    Refusal { sent: format!("{sent} at {at}"), answered, wanted: wanted.to_owned() }
}

async fn query(
    name: &Name,
    kind: RecordType,
    recursion: bool,
    at: SocketAddr,
    wanted: &str,
) -> Result<Message, Refusal> {
    let sent = sent(name, kind);
    let refused = |answered: String| refusal(&sent, at, answered, wanted);
    connect("a connection over TCP", at).await?;
    let mut query = Message::new(0x4cab, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = recursion;
    query.add_query(Query::query(name.clone(), kind));
    let bytes = query.to_vec().map_err(|error| refused(error.to_string()))?;
    let exchange = async {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
        socket.connect(at).await?;
        socket.send(&bytes).await?;
        let mut response = vec![0; 4096];
        let length = socket.recv(&mut response).await?;
        response.truncate(length);
        std::io::Result::Ok(response)
    };
    let response = match tokio::time::timeout(LIMIT, exchange).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Err(refused(format!("nothing over UDP: {error}"))),
        Err(_) => return Err(refused(format!("nothing over UDP within {LIMIT:?}"))),
    };
    match Message::from_vec(&response) {
        Ok(answer) if answer.id == query.id && answer.message_type == MessageType::Response => Ok(answer),
        _ => Err(refused(format!("{}, which is no response of DNS", quoted(&response)))),
    }
}
