//! One query to one name server: the only place from which a recursion sends anything.
//!
//! Three promises are kept here:
//!
//! * nothing leaves the machine: an address that is not on loopback is refused before a socket exists;
//! * a dead name server costs milliseconds, because its "port unreachable" is an error;
//! * a response counts only if it comes from the address and port that were queried, to a port and with an id
//!   chosen at random, and repeats the question (RFC 5452 §9.1, §9.2).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use dnswire::QuerySocket;
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hop::{Ends, Mark, Side, Stamped, clock};
use tokio::net::TcpSocket;
use tokio::time::{timeout, timeout_at};

use crate::query_trace::{QueryTrace, SentQuery};
use crate::server_map::ServerMap;

/// How long one name server may take for one question, with everything: a client waits, and a program that
/// responds at all on this machine does so in a fraction.
pub(crate) const TIMEOUT: Duration = Duration::from_millis(800);
/// How long one datagram is waited for before it is sent again: they do get lost.
pub(crate) const RETRANSMIT_AFTER: Duration = Duration::from_millis(300);

/// What became of a query.
pub(crate) enum QueryResult {
    /// A response to the question; whether it is any good is for others to say.
    Response(Message),
    /// None came in time. The socket is still open, should one come late.
    TimedOut(Option<LateResponse>),
    /// The network, or the server's machine, says no.
    Error(io::Error),
    /// Nothing could be sent, through no fault of the server's.
    Local(io::Error),
}

/// One question to one name server, on behalf of one client's query.
pub(crate) struct UpstreamQuery<'a> {
    pub(crate) map: &'a ServerMap,
    pub(crate) server: SocketAddr,
    pub(crate) question: Query,
    pub(crate) trace: &'a Arc<QueryTrace>,
}

impl UpstreamQuery<'_> {
    /// Sends it over UDP, and over TCP if the response does not fit a datagram (TC, RFC 7766 §5).
    ///
    /// `edns` says whether the server is thought to know it. If it turns out not to, the query is repeated
    /// without (RFC 6891 §7), and `edns` is false afterwards.
    pub(crate) async fn send(&self, edns: &mut bool) -> QueryResult {
        let mut result = self.over_udp(*edns).await;
        if let QueryResult::Response(response) = &result
            && *edns
            && matches!(response.response_code, ResponseCode::FormErr | ResponseCode::NotImp)
            && response.edns.is_none()
            && self.trace.may_query()
        {
            *edns = false;
            result = self.over_udp(false).await;
        }
        match result {
            QueryResult::Response(response) if response.truncation && self.trace.may_query() => {
                self.over_tcp(*edns).await
            }
            other => other,
        }
    }

    fn request(&self, edns: bool) -> Message {
        let mut request = Message::new(rand::random(), MessageType::Query, OpCode::Query);
        request.add_query(self.question.clone());
        if edns {
            let mut ours = Edns::new();
            ours.set_max_payload(dnswire::LARGEST_DATAGRAM);
            request.set_edns(ours);
        }
        request
    }

    async fn over_udp(&self, edns: bool) -> QueryResult {
        self.trace.count_sent();
        let request = self.request(edns);
        let mut sent = None;
        let result = match self.datagrams(&request, &mut sent).await {
            Ok(result) => result,
            Err(error) if sent.is_none() => QueryResult::Local(error),
            Err(error) => QueryResult::Error(error),
        };
        self.report(sent, &result);
        result
    }

    async fn datagrams(&self, request: &Message, sent: &mut Option<SentQuery>) -> io::Result<QueryResult> {
        let until = tokio::time::Instant::from_std(clock::monotonic() + TIMEOUT);
        let bytes = request.to_vec().map_err(io::Error::other)?;
        let socket = QuerySocket::connect(self.map.own_end(self.server), self.server).await?;
        let (ends, offset) = (Ends::of_datagrams(socket.flow(), Side::Client), u64::from(request.id));
        // The socket stays the same, so a response to an earlier datagram still counts.
        let mut resent = 0;
        loop {
            let mark = Mark { offset, at: clock::now(), ..Mark::default() };
            let sent = sent.get_or_insert(SentQuery { id: request.id, ends, sent: mark, read: None, resent });
            sent.resent = resent;
            socket.send(&bytes).await?;
            let again = tokio::time::Instant::from_std(clock::monotonic() + RETRANSMIT_AFTER);
            match timeout_at(again.min(until), socket.response_to(request)).await {
                Ok(received) => {
                    let (response, read) = received?;
                    let response = response?;
                    sent.read = Some(read);
                    return Ok(QueryResult::Response(response));
                }
                Err(_) if until <= again => break,
                Err(_) => resent += 1,
            }
        }
        Ok(QueryResult::TimedOut(Some(LateResponse { socket, request: request.clone() })))
    }

    async fn over_tcp(&self, edns: bool) -> QueryResult {
        self.trace.count_sent();
        let request = self.request(edns);
        let mut sent = None;
        let result = match timeout(TIMEOUT, self.stream(&request, &mut sent)).await {
            Ok(Ok(response)) => QueryResult::Response(response),
            Ok(Err(error)) => QueryResult::Error(error),
            Err(_) => QueryResult::TimedOut(None),
        };
        self.report(sent, &result);
        result
    }

    async fn stream(&self, request: &Message, sent: &mut Option<SentQuery>) -> io::Result<Message> {
        let socket = if self.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(self.map.own_end(self.server))?;
        let mut stream = Stamped::connected(socket.connect(self.server).await?, self.server)?;
        let stamps = stream.stamps();
        dnswire::write_query(&mut stream, request).await?;
        let (ends, written) = (stamps.ends(), stamps.last_write());
        let sent = sent.insert(SentQuery { id: request.id, ends, sent: written, read: None, resent: 0 });
        let response = dnswire::read_response(&mut stream, request).await?;
        sent.read = Some(stamps.last_read());
        Ok(response)
    }

    fn report(&self, sent: Option<SentQuery>, result: &QueryResult) {
        let Some(sent) = sent else { return };
        let outcome = match result {
            QueryResult::Response(response) => Ok(response.response_code),
            QueryResult::TimedOut(_) => Err("timed out".into()),
            QueryResult::Error(error) | QueryResult::Local(error) => Err(error.to_string().into()),
        };
        self.trace.record(&sent, &self.question, outcome);
    }
}

/// A query whose response did not come in time.
pub(crate) struct LateResponse {
    socket: QuerySocket,
    request: Message,
}

impl LateResponse {
    /// Waits on: true if the server responds after all within `limit`.
    pub(crate) async fn comes(self, limit: Duration) -> bool {
        let received = timeout(limit, self.socket.response_to(&self.request)).await;
        received.is_ok_and(|received| received.is_ok_and(|(response, _)| response.is_ok()))
    }
}
