//! One question to one name server: the only place from which this program sends anything.
//!
//! Three promises are kept here:
//!
//! * nothing leaves the machine: an address that is not on loopback is refused before a socket exists;
//! * a dead name server costs milliseconds: the socket is connected, so the kernel hands us the ICMP
//!   "port unreachable" as an error instead of leaving us to wait;
//! * an answer counts only if it comes from the address and port that were asked, to a port and with an id
//!   chosen at random, and repeats the question (RFC 5452 §9.1, §9.2).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hop::stamped::kernel;
use hop::{Mark, Stamped, clock};
use journey::{Flow, Transport};
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::time::{timeout, timeout_at};

use crate::query_trace::{QueryTrace, Sent};

/// How long one name server may take for one question, with everything: a client waits, and a program that
/// answers at all on this machine answers in a fraction.
pub(crate) const PATIENCE: Duration = Duration::from_millis(800);
/// How long one datagram is waited for before it is sent again: they do get lost.
pub(crate) const RESEND_AFTER: Duration = Duration::from_millis(300);

/// Where name servers are, and from where they are asked.
#[derive(Clone, Debug)]
pub struct NameServers {
    /// The port they all share: a referral has no place for one.
    pub port: u16,
    /// Where single ones really are, for machines that have only one loopback address.
    pub moved: Arc<HashMap<IpAddr, SocketAddr>>,
    /// Our own address, so that a name server sees who asks.
    pub own: IpAddr,
}

impl NameServers {
    /// Where the name server with this address listens.
    ///
    /// # Errors
    /// It is not on this machine.
    pub(crate) fn locate(&self, address: IpAddr) -> Result<SocketAddr, String> {
        let server = self.moved.get(&address).copied().unwrap_or(SocketAddr::new(address, self.port));
        match server.ip().is_loopback() {
            true => Ok(server),
            false => {
                Err(format!("name server {address}: not on this machine, and this resolver asks nobody else"))
            }
        }
    }

    /// Our end of a question to `server`: our address, and a port that the kernel picks at random, so that an
    /// answer is hard to forge (RFC 5452 §9.2).
    fn own_end(&self, server: SocketAddr) -> SocketAddr {
        let own = match server.ip() {
            _ if self.own.is_ipv4() == server.is_ipv4() => self.own,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        SocketAddr::new(own, 0)
    }
}

/// What became of an exchange.
pub(crate) enum Exchanged {
    /// A response to the question; whether it is any good is for others to say.
    Response(Message),
    /// None came in time. The socket is still open, should one come late.
    Silence(Option<Late>),
    /// The network, or the server's machine, says no.
    Error(io::Error),
    /// Nothing could be sent, through no fault of the server's.
    Local(io::Error),
}

/// One question to one name server, on behalf of one client's query.
pub(crate) struct Exchange {
    pub(crate) servers: NameServers,
    pub(crate) server: SocketAddr,
    pub(crate) question: Query,
    pub(crate) trace: Arc<QueryTrace>,
}

impl Exchange {
    /// Asks over UDP, and over TCP if the answer does not fit a datagram (TC, RFC 7766 §5).
    ///
    /// `edns` says whether the server is thought to know it. If it turns out not to, it is asked again
    /// without (RFC 6891 §7), and `edns` is false afterwards.
    pub(crate) async fn run(&self, edns: &mut bool) -> Exchanged {
        let mut exchanged = self.by_datagram(*edns).await;
        if let Exchanged::Response(response) = &exchanged
            && *edns
            && matches!(response.response_code, ResponseCode::FormErr | ResponseCode::NotImp)
            && response.edns.is_none()
            && self.trace.may_ask()
        {
            *edns = false;
            exchanged = self.by_datagram(false).await;
        }
        match exchanged {
            Exchanged::Response(response) if response.truncation && self.trace.may_ask() => {
                self.by_stream(*edns).await
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

    async fn by_datagram(&self, edns: bool) -> Exchanged {
        self.trace.count_sent();
        let request = self.request(edns);
        let mut sent = None;
        let exchanged = match self.datagrams(&request, &mut sent).await {
            Ok(exchanged) => exchanged,
            Err(error) if sent.is_none() => Exchanged::Local(error),
            Err(error) => Exchanged::Error(error),
        };
        self.report(sent, &exchanged);
        exchanged
    }

    async fn datagrams(&self, request: &Message, sent: &mut Option<Sent>) -> io::Result<Exchanged> {
        let until = tokio::time::Instant::from_std(clock::monotonic() + PATIENCE);
        let bytes = request.to_vec().map_err(io::Error::other)?;
        let socket = UdpSocket::bind(self.servers.own_end(self.server)).await?;
        socket.connect(self.server).await?;
        let flow = Flow { transport: Transport::Udp, client: socket.local_addr()?, server: self.server };
        if let Err(error) = kernel::enable(&socket) {
            tracing::debug!(%error, "no kernel stamps");
        }
        let offset = u64::from(request.id);
        // The socket stays the same, so an answer to an earlier sending still counts.
        let mut resent = 0;
        loop {
            let mark = Mark { offset, at: clock::now(), ..Mark::default() };
            let sent = sent.get_or_insert(Sent { id: request.id, flow, sent: mark, read: None, resent });
            sent.resent = resent;
            socket.send(&bytes).await?;
            let again = tokio::time::Instant::from_std(clock::monotonic() + RESEND_AFTER);
            match timeout_at(again.min(until), receive(&socket, request)).await {
                Ok(received) => {
                    let (response, read) = received?;
                    sent.read = Some(Mark { offset, ..read });
                    return Ok(Exchanged::Response(response));
                }
                Err(_) if until <= again => break,
                Err(_) => resent += 1,
            }
        }
        Ok(Exchanged::Silence(Some(Late { socket, request: request.clone() })))
    }

    async fn by_stream(&self, edns: bool) -> Exchanged {
        self.trace.count_sent();
        let request = self.request(edns);
        let mut sent = None;
        let exchanged = match timeout(PATIENCE, self.stream(&request, &mut sent)).await {
            Ok(Ok(response)) => Exchanged::Response(response),
            Ok(Err(error)) => Exchanged::Error(error),
            Err(_) => Exchanged::Silence(None),
        };
        self.report(sent, &exchanged);
        exchanged
    }

    async fn stream(&self, request: &Message, sent: &mut Option<Sent>) -> io::Result<Message> {
        let bytes = request.to_vec().map_err(io::Error::other)?;
        let framed = dnswire::framed(&bytes).ok_or_else(|| io::Error::other("the question is too long"))?;
        let socket = if self.server.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(self.servers.own_end(self.server))?;
        let mut stream = Stamped::connected(socket.connect(self.server).await?, self.server)?;
        let stamps = stream.stamps();
        stream.write_all(&framed).await?;
        let (flow, written) = (stamps.flow(), stamps.last_write());
        let sent = sent.insert(Sent { id: request.id, flow, sent: written, read: None, resent: 0 });
        let message = dnswire::Frames::new(&mut stream).next().await?;
        let message = message.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        sent.read = Some(stamps.last_read());
        dnswire::response_to(request, &message)
            .unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::InvalidData, "it answers another question")))
    }

    fn report(&self, sent: Option<Sent>, exchanged: &Exchanged) {
        let Some(sent) = sent else { return };
        match exchanged {
            Exchanged::Response(response) => {
                self.trace.report(&sent, &self.question, Ok(response.response_code));
            }
            Exchanged::Silence(_) => self.trace.report(&sent, &self.question, Err("timed out")),
            Exchanged::Error(error) | Exchanged::Local(error) => {
                self.trace.report(&sent, &self.question, Err(&error.to_string()))
            }
        }
    }
}

/// A question whose answer did not come in time.
pub(crate) struct Late {
    socket: UdpSocket,
    request: Message,
}

impl Late {
    /// Waits on: true if the server answers after all within `limit`.
    pub(crate) async fn answered(self, limit: Duration) -> bool {
        timeout(limit, receive(&self.socket, &self.request)).await.is_ok_and(|received| received.is_ok())
    }
}

/// Waits for the datagram that answers `request`; says when it was read.
async fn receive(socket: &UdpSocket, request: &Message) -> io::Result<(Message, Mark)> {
    let mut buffer = vec![0; 4096]; // we offer 1232 by EDNS; whoever sends more is cut off
    loop {
        // A pending ICMP error makes the socket ready for ERROR, not for READABLE.
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            let error = socket.take_error()?;
            return Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into()));
        }
        match kernel::try_recv_from(socket, &mut buffer) {
            Ok((length, _, read)) => {
                if let Some(response) = dnswire::response_to(request, &buffer[..length]) {
                    return response.map(|response| (response, read));
                }
                tracing::debug!(length, "datagram that answers no question of ours: ignored");
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
