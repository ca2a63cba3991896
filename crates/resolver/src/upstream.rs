//! One question to one name server: the only place from which this program sends anything.
//!
//! hickory's recursor decides *whom* to ask *what*; it comes here for every single question. So this
//! is where three promises are kept:
//!
//! * nothing leaves the machine: an address that is not on loopback is refused before a socket exists;
//! * a dead name server costs milliseconds: the socket is connected, so the kernel hands us the ICMP
//!   "port unreachable" as an error instead of leaving us to wait for a timeout;
//! * every question is seen: it belongs to the [`Trip`] of the client's query that caused it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::once;
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::DnsHandle;
use hickory_resolver::proto::op::{DnsRequest, DnsResponse, Message, ResponseCode};
use hickory_resolver::{ConnectionProvider, PoolContext};
use hop::stamped::kernel;
use hop::{Mark, Stamped, clock};
use journey::{Flow, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpSocket, UdpSocket};

use crate::trip::{Asked, Trip};
use dnswire::name_of;

/// How long one datagram is waited for before the question is sent again: they do get lost.
const RESEND_AFTER: Duration = Duration::from_millis(500);
/// How often a question is sent to one name server before the next one is tried.
const SENDINGS: u32 = 3;
/// How long a question over TCP may take in all.
const TCP_LIMIT: Duration = Duration::from_millis(1_500);

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
    fn locate(&self, address: IpAddr) -> Result<SocketAddr, NetError> {
        let server = self.moved.get(&address).copied().unwrap_or(SocketAddr::new(address, self.port));
        if server.ip().is_loopback() {
            Ok(server)
        } else {
            // As an I/O error, so that the recursor goes on with the next name server.
            let refusal = "not on this machine, and this resolver asks nobody else";
            Err(io::Error::new(io::ErrorKind::PermissionDenied, refusal).into())
        }
    }

    /// Our end of a question to `server`: our address, and a port that the kernel picks at random,
    /// so that an answer is hard to forge (RFC 5452 §9.2).
    fn own_end(&self, server: SocketAddr) -> SocketAddr {
        let own = match server.ip() {
            _ if self.own.is_ipv4() == server.is_ipv4() => self.own,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        SocketAddr::new(own, 0)
    }
}

impl ConnectionProvider for NameServers {
    type Conn = NameServer;
    type FutureConn = std::future::Ready<Result<NameServer, NetError>>;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        address: IpAddr,
        config: &ConnectionConfig,
        _: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let server = self.locate(address).inspect_err(|error| {
            if let Some(trip) = Trip::current() {
                trip.note_failure(address.to_string(), error);
            }
        })?;
        let transport = match config.protocol {
            ProtocolConfig::Udp => Transport::Udp,
            _ => Transport::Tcp,
        };
        // Nothing to connect yet: every question gets a socket of its own.
        Ok(std::future::ready(Ok(NameServer { server, own: self.own_end(server), transport })))
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        // Only used by the recursor to wait between two rounds; it holds nothing.
        static RUNTIME: std::sync::LazyLock<TokioRuntimeProvider> =
            std::sync::LazyLock::new(Default::default);
        &RUNTIME
    }
}

/// One name server, over one transport.
#[derive(Clone, Copy, Debug)]
pub struct NameServer {
    server: SocketAddr,
    own: SocketAddr,
    transport: Transport,
}

impl DnsHandle for NameServer {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let trip = Trip::current();
        if let Some(trip) = &trip {
            trip.count();
        }
        let server = *self;
        Box::pin(once(async move {
            let mut asked = None;
            let outcome = match server.transport {
                Transport::Udp => server.ask_by_datagram(&request, &mut asked).await,
                Transport::Tcp => {
                    match tokio::time::timeout(TCP_LIMIT, server.ask_by_stream(&request, &mut asked)).await {
                        Ok(outcome) => outcome,
                        Err(_) => Err(NetError::Timeout),
                    }
                }
            };
            if let (Some(trip), Some(asked)) = (&trip, asked) {
                trip.report(&asked, &request, &outcome);
            }
            let outcome = outcome.and_then(unless_lame);
            if let (Some(trip), Err(error)) = (&trip, &outcome) {
                trip.note_failure(server.server.to_string(), error);
            }
            outcome
        }))
    }
}

impl NameServer {
    async fn ask_by_datagram(
        &self,
        request: &Message,
        asked: &mut Option<Asked>,
    ) -> Result<DnsResponse, NetError> {
        let bytes = request.to_vec()?;
        let socket = UdpSocket::bind(self.own).await?;
        socket.connect(self.server).await?;
        let flow = Flow { transport: Transport::Udp, client: socket.local_addr()?, server: self.server };
        if let Err(error) = kernel::enable(&socket) {
            tracing::debug!(%error, "no kernel stamps");
        }
        let offset = u64::from(request.id);
        for resent in 0..SENDINGS {
            let sent = Mark { offset, at: clock::now(), ..Mark::default() };
            match asked {
                None => *asked = Some(Asked { flow, sent, read: None, resent }),
                Some(asked) => asked.resent = resent,
            }
            socket.send(&bytes).await?;
            // The socket stays the same, so an answer to an earlier sending still counts.
            if let Ok(received) = tokio::time::timeout(RESEND_AFTER, receive(&socket, request)).await {
                let (response, read) = received?;
                if let Some(asked) = asked {
                    asked.read = Some(Mark { offset, ..read });
                }
                return Ok(response);
            }
        }
        Err(NetError::Timeout)
    }

    async fn ask_by_stream(
        &self,
        request: &Message,
        asked: &mut Option<Asked>,
    ) -> Result<DnsResponse, NetError> {
        let bytes = request.to_vec()?;
        let length = u16::try_from(bytes.len()).map_err(|_| NetError::from("the question is too long"))?;
        let socket = if self.own.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(self.own)?;
        let mut stream = Stamped::connected(socket.connect(self.server).await?, self.server)?;
        let stamps = stream.stamps();
        stream.write_all(&[&length.to_be_bytes(), bytes.as_slice()].concat()).await?;
        let sent = stamps.last_write();
        let asked = asked.insert(Asked { flow: stamps.flow(), sent, read: None, resent: 0 });
        let mut message = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut message).await?;
        asked.read = Some(stamps.last_read());
        match answers(request, message) {
            Some(response) => response,
            None => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is to another question").into())
            }
        }
    }
}

/// A *lame* server is named in a delegation but does not serve the zone. Its "no" is no answer: as an
/// I/O error it sends the recursor on to the next server.
fn unless_lame(response: DnsResponse) -> Result<DnsResponse, NetError> {
    match response.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(response),
        code => Err(io::Error::other(format!("it answers {}", name_of(code))).into()),
    }
}

/// Waits for the datagram that answers `request`; says when it was read.
async fn receive(socket: &UdpSocket, request: &Message) -> Result<(DnsResponse, Mark), NetError> {
    let mut buffer = vec![0; 4096]; // we offer 1232 by EDNS; whoever sends more is cut off
    loop {
        // A pending ICMP error makes the socket ready for ERROR, not for READABLE.
        let ready = socket.ready(Interest::READABLE | Interest::ERROR).await?;
        if ready.is_error() {
            let error = socket.take_error()?;
            return Err(error.unwrap_or_else(|| io::ErrorKind::ConnectionRefused.into()).into());
        }
        match kernel::try_recv_from(socket, &mut buffer) {
            Ok((length, _, read)) => {
                if let Some(response) = answers(request, buffer[..length].to_vec()) {
                    return response.map(|response| (response, read));
                }
                tracing::debug!(length, "datagram that answers no question of ours: ignored");
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The response, if these bytes answer `request`: same id, same question (RFC 5452 §9.1). Anything
/// else is a stray or a forgery and must not end the waiting.
fn answers(request: &Message, bytes: Vec<u8>) -> Option<Result<DnsResponse, NetError>> {
    let header = bytes.first_chunk::<3>()?;
    let (id, is_response) = (u16::from_be_bytes([header[0], header[1]]), header[2] & 0x80 != 0);
    if id != request.id || !is_response {
        return None;
    }
    match DnsResponse::from_buffer(bytes) {
        Ok(response) => {
            let fits = response.queries == request.queries;
            // A server that could not read the question may leave it out of its error.
            let error = response.queries.is_empty() && response.response_code != ResponseCode::NoError;
            (fits || error).then_some(Ok(response))
        }
        Err(error) => Some(Err(io::Error::new(io::ErrorKind::InvalidData, error).into())),
    }
}
