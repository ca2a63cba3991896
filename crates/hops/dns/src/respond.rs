//! From the bytes of a query to the bytes of a response: the whole server but for its sockets.

use dnswire::{PlainQuery, Question, Received, ResponseWriter};
use hickory_proto::op::ResponseCode;
use journey::Transport;

use crate::answer::answer;
use crate::zone::Zones;

/// A response, and what its span says of it.
#[derive(Debug)]
pub struct Response {
    /// The response on the wire.
    pub bytes: Vec<u8>,
    /// The message id, the same in query and response.
    pub id: u16,
    /// The question, if one could be read.
    pub question: Option<Question>,
    /// The response code (RFC 1035 §4.1.1).
    pub code: ResponseCode,
}

/// Answers one message; `None` when the only right answer is none.
pub fn respond(zones: &Zones, bytes: &[u8], transport: Transport) -> Option<Response> {
    let mut message = Vec::with_capacity(512);
    let code = write_response(zones, bytes, transport, &mut message)?;
    let described = describe(&message, code);
    Some(Response { bytes: message, ..described })
}

/// As [`respond`], into an empty buffer; returns the response code.
pub fn write_response(
    zones: &Zones,
    bytes: &[u8],
    transport: Transport,
    message: &mut Vec<u8>,
) -> Option<ResponseCode> {
    if let Some(query) = PlainQuery::read(bytes) {
        return Some(write_answer(zones, query, transport, message));
    }
    match dnswire::read(bytes) {
        Received::Silence => None,
        Received::Fault(reply) => {
            message.extend(dnswire::write(&reply, usize::MAX));
            Some(reply.response_code)
        }
        // With options, or in another unusual form: what it asks is asked in the plain one.
        Received::Question(query) => {
            let plain = dnswire::plain(&query);
            Some(write_answer(zones, PlainQuery::read(&plain)?, transport, message))
        }
    }
}

fn write_answer(
    zones: &Zones,
    query: PlainQuery<'_>,
    transport: Transport,
    message: &mut Vec<u8>,
) -> ResponseCode {
    let limit = match transport {
        Transport::Udp => query.datagram_limit(),
        Transport::Tcp => usize::from(u16::MAX),
    };
    let mut response = ResponseWriter::to(query, message);
    let outcome = answer(zones, &query, &mut response);
    // Courtesy records go first when room is short; glue stays, and if it does not fit the client has to know (RFC
    // 9471 §3.1).
    response.finish(outcome.code, limit, outcome.is_referral);
    outcome.code
}

/// What the span of a response says, but for its bytes.
pub fn describe(message: &[u8], code: ResponseCode) -> Response {
    let id = message.first_chunk::<2>().map_or(0, |id| u16::from_be_bytes(*id));
    Response { bytes: Vec::new(), id, question: Question::of_message(message), code }
}
