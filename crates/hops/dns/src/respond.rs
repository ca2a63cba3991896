//! From the bytes of a query to the bytes of a response: the whole server but for its sockets.

use hickory_proto::op::{Query, ResponseCode};
use journey::Transport;

use crate::answer::answer;
use crate::zone::Zones;
use dnswire::Received;

/// A response, and what its span says of it.
#[derive(Debug)]
pub struct Response {
    /// The response on the wire.
    pub bytes: Vec<u8>,
    /// The message id, the same in query and response.
    pub id: u16,
    /// The question, if one could be read.
    pub question: Option<Query>,
    /// The response code (RFC 1035 §4.1.1).
    pub code: ResponseCode,
}

/// Answers one message; `None` when the only right answer is none.
pub fn respond(zones: &Zones, bytes: &[u8], transport: Transport) -> Option<Response> {
    let (mut reply, limit) = match dnswire::read(bytes) {
        Received::Silence => return None,
        Received::Fault(reply) => (*reply, usize::MAX),
        Received::Question(query) => {
            let mut reply = dnswire::reply_to(&query);
            let found = answer(zones, query.queries.first()?);
            reply.metadata.response_code = found.code;
            reply.metadata.authoritative = found.authoritative;
            (reply.answers, reply.authorities) = (found.answers, found.authorities);
            reply.additionals = found.additionals;
            let limit = match transport {
                Transport::Udp => dnswire::datagram_limit(&query),
                Transport::Tcp => usize::from(u16::MAX),
            };
            // Courtesy records go first when room is short; glue stays, and if it does not fit the
            // client has to know (RFC 9471 §3.1).
            if !found.needs_additionals && reply.to_vec().is_ok_and(|bytes| bytes.len() > limit) {
                reply.additionals.clear();
            }
            (reply, limit)
        }
    };
    let bytes = dnswire::write(&reply, limit);
    Some(Response { bytes, id: reply.id, question: reply.queries.pop(), code: reply.metadata.response_code })
}
