//! Bytes to question, response to bytes: what is the same for a name server and a resolver.

use std::io;

use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

/// The largest response over UDP, whatever the client can take: it fits one Ethernet frame, so it is
/// never fragmented (the agreement of DNS Flag Day 2020; RFC 9715 §3.1).
pub const LARGEST_DATAGRAM: u16 = 1232;
/// What a client without EDNS can take (RFC 1035 §4.2.1).
pub(crate) const CLASSIC_DATAGRAM: u16 = 512;
/// The fixed part of every message (RFC 1035 §4.1.1).
pub(crate) const HEADER: usize = 12;

/// What arrived, as far as it can be understood.
#[derive(Debug)]
pub enum Received {
    /// A query, which has one question.
    Question(Box<Message>),
    /// Not a question; this says so to the sender.
    Fault(Box<Message>),
    /// Nothing that may be answered: too short to have a sender's id, or itself a response. To answer
    /// a response would let two servers talk to each other for ever.
    Silence,
}

/// Reads a message. Never fails: what is not a question becomes the fitting error response.
pub fn read(bytes: &[u8]) -> Received {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Received::Silence };
    let is_response = header[2] & 0x80 != 0;
    if is_response {
        return Received::Silence;
    }
    let id = u16::from_be_bytes([header[0], header[1]]);
    let op_code = OpCode::from_u8((header[2] >> 3) & 0x0f);
    // An OPT record belongs to the root (RFC 6891 §6.1.2), which hickory does not check.
    let message = Message::from_vec(bytes).ok().filter(|_| opt_owner(bytes).is_none_or(|owner| owner == 0));
    let fault = |code| {
        let mut reply = Message::error_msg(id, op_code, code);
        reply.metadata.recursion_desired = header[2] & 0x01 != 0;
        // Who sends OPT gets OPT, in errors too: without it we would seem to know no EDNS (RFC 6891 §6.1.1, §7).
        reply.edns = message.as_ref().and_then(edns_for);
        Received::Fault(Box::new(reply))
    };
    if op_code != OpCode::Query {
        return fault(ResponseCode::NotImp);
    }
    // A query has exactly one question (RFC 9619 §4).
    if u16::from_be_bytes([header[4], header[5]]) != 1 {
        return fault(ResponseCode::FormErr);
    }
    match message {
        Some(message) if message.version() > 0 => {
            // A later EDNS than ours (RFC 6891 §6.1.3).
            let mut reply = reply_to(&message);
            reply.metadata.response_code = ResponseCode::BADVERS;
            Received::Fault(Box::new(reply))
        }
        Some(message) => Received::Question(Box::new(message)),
        None => fault(ResponseCode::FormErr),
    }
}

/// The first byte of the owner name of the OPT record in a message that hickory could read: 0 is the root.
fn opt_owner(bytes: &[u8]) -> Option<u8> {
    const OPT: [u8; 2] = [0, 41];
    let count = |at: usize| bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    // Steps over a name: labels, ended by the root or by a pointer of two bytes (RFC 1035 §4.1.4).
    let name_end = |mut at: usize| loop {
        match *bytes.get(at)? {
            0 => return Some(at + 1),
            length if length >= 0xc0 => return Some(at + 2),
            length => at += 1 + usize::from(length),
        }
    };
    let mut at = HEADER;
    for _ in 0..count(4) {
        at = name_end(at)? + 4;
    }
    for _ in 0..usize::from(count(6)) + usize::from(count(8)) + usize::from(count(10)) {
        let fixed = name_end(at)?;
        if bytes.get(fixed..fixed + 2)? == OPT {
            return bytes.get(at).copied();
        }
        at = fixed + 10 + usize::from(count(fixed + 8));
    }
    None
}

/// The query of a client that leaves the way to a resolver, with EDNS. `id` is one that nobody can guess (RFC 5452 §9.2).
pub fn query(id: u16, name: Name, kind: RecordType) -> Message {
    let mut query = Message::new(id, MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, kind));
    let mut edns = Edns::new();
    edns.set_max_payload(LARGEST_DATAGRAM);
    query.set_edns(edns);
    query
}

/// A response without content: the query's id, question and flags, and EDNS if it had EDNS
/// (RFC 6891 §6.1.1).
pub fn reply_to(query: &Message) -> Message {
    let mut reply = Message::response(query.id, query.op_code);
    reply.metadata = Metadata::response_from_request(&query.metadata);
    reply.queries.clone_from(&query.queries);
    reply.edns = edns_for(query);
    reply
}

/// Our OPT record for a sender who has sent one.
fn edns_for(query: &Message) -> Option<Edns> {
    query.edns.as_ref().map(|theirs| {
        let mut ours = Edns::new();
        ours.set_max_payload(LARGEST_DATAGRAM).set_dnssec_ok(theirs.flags().dnssec_ok);
        ours
    })
}

/// The response, if these bytes answer `request`: same id, same question (RFC 5452 §9.1). Anything else is a
/// stray or a forgery and must not end the waiting.
///
/// The inner error: bytes with the right id that cannot be read.
pub fn response_to(request: &Message, bytes: &[u8]) -> Option<io::Result<Message>> {
    let header = bytes.first_chunk::<3>()?;
    let id = u16::from_be_bytes([header[0], header[1]]);
    // QR says that it is a response, and the opcode is that of a query (RFC 1035 §4.1.1).
    if id != request.id || header[2] & 0xf8 != 0x80 {
        return None;
    }
    match Message::from_vec(bytes) {
        Ok(response) => {
            let fits = response.queries == request.queries;
            // A server that could not read the question may leave it out of its error.
            let no_answer = !matches!(response.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
            let error = response.queries.is_empty() && no_answer;
            (fits || error).then_some(Ok(response))
        }
        Err(error) => Some(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
    }
}

/// How large a response over UDP the sender of `query` can take, in bytes.
pub fn datagram_limit(query: &Message) -> usize {
    let theirs = query.edns.as_ref().map_or(CLASSIC_DATAGRAM, Edns::max_payload);
    usize::from(theirs.clamp(CLASSIC_DATAGRAM, LARGEST_DATAGRAM))
}

/// Writes a response in at most `limit` bytes.
///
/// What does not fit is left out whole and TC is set, so that the client repeats it over TCP. Half a
/// set of records is worth nothing: a client must not use it (RFC 2181 §9).
pub fn write(reply: &Message, limit: usize) -> Vec<u8> {
    match reply.to_vec() {
        Ok(bytes) if bytes.len() <= limit => bytes,
        Ok(_) => reply.truncate().to_vec().unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, question = ?reply.queries.first(), "encode a response");
            Message::error_msg(reply.id, reply.op_code, ResponseCode::ServFail).to_vec().unwrap_or_default()
        }
    }
}

/// The usual spelling of a response code, such as NXDOMAIN.
pub fn name_of(code: ResponseCode) -> String {
    format!("{code:?}").to_uppercase()
}
