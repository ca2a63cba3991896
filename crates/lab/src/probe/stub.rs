//! The stub resolver of the user's machine: asks one caching resolver and remembers (RFC 1034 §5.3.1).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use hop::Mark;
use hop::stamped::kernel;
use journey::semconv::attribute;
use journey::{Direction, Flow, Kind, Stage, Transport};
use tokio::net::UdpSocket;

use super::Recorder;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(2);
/// How often it is asked.
const TRIES: usize = 3;

/// The stub and its cache.
pub(super) struct Stub {
    resolver: SocketAddr,
    cache: HashMap<String, (IpAddr, Instant)>,
}

impl Stub {
    pub(super) fn new(resolver: SocketAddr) -> Self {
        Stub { resolver, cache: HashMap::new() }
    }

    /// An address that is still good.
    pub(super) fn cached(&self, host: &str) -> Option<IpAddr> {
        self.cache.get(host).filter(|(_, until)| *until > hop::clock::monotonic()).map(|(ip, _)| *ip)
    }

    /// Asks the resolver for an IPv4 address and remembers it for its TTL.
    pub(super) async fn ask(&mut self, host: &str, recorder: &mut Recorder) -> anyhow::Result<IpAddr> {
        let resolver = self.resolver;
        let advice = || format!("ask {resolver} for {host}: is the resolver up? (`lab status`)");
        for last in (0..TRIES).map(|tried| tried + 1 == TRIES) {
            match tokio::time::timeout(LIMIT, self.ask_once(host, recorder)).await {
                Ok(answered) => return answered.with_context(advice),
                Err(_) if last => break,
                Err(_) => tracing::warn!(%resolver, host, "no answer, asking again"),
            }
        }
        bail!("{}: no answer in {TRIES} tries of {LIMIT:?}", advice())
    }

    async fn ask_once(&mut self, host: &str, recorder: &mut Recorder) -> anyhow::Result<IpAddr> {
        let begun = hop::clock::now();
        let name = Name::from_ascii(format!("{host}.")).context("read the host name")?;
        let id: u16 = rand::random();
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), RecordType::A));
        let question = message.to_vec().context("encode the question")?;

        // The answer must come from the address that was asked: a connected socket sees to it.
        let local = if self.resolver.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let socket = UdpSocket::bind(local).await.context("bind")?;
        socket.connect(self.resolver).await.context("connect")?;
        let flow = Flow { transport: Transport::Udp, client: socket.local_addr()?, server: self.resolver };
        if let Err(error) = kernel::enable(&socket) {
            tracing::debug!(%error, "no kernel stamps");
        }
        let sent = Mark { offset: u64::from(id), at: hop::clock::now(), ..Mark::default() };
        socket.send(&question).await.context("send")?;
        let mut buffer = [0; 4096];
        let (answer, read) = loop {
            let (length, _, read) = kernel::recv_from(&socket, &mut buffer).await.context("receive")?;
            match Message::from_vec(&buffer[..length]) {
                Ok(answer) if answer.metadata.id == id => {
                    break (answer, Mark { offset: u64::from(id), ..read });
                }
                _ => tracing::debug!("an answer to something else"),
            }
        };
        let code = answer.metadata.response_code;
        if code != ResponseCode::NoError {
            bail!("the answer is {code}");
        }
        let found = answer.answers.iter().find_map(|record| match &record.data {
            RData::A(address) => Some((IpAddr::V4(address.0), record.ttl)),
            _ => None,
        });
        let Some((ip, ttl)) = found else { bail!("the answer holds no address") };
        self.cache
            .insert(host.to_owned(), (ip, hop::clock::monotonic() + Duration::from_secs(u64::from(ttl))));
        drop(socket); // closing it belongs to this step
        let mut span = recorder
            .span(Kind::Client, format!("A {name}"), (begun, hop::clock::now()))
            .stage(Stage::Dns)
            .with(attribute::DNS_QUESTION_NAME, name.to_string())
            .with(attribute::DNS_ANSWER_TTL, u64::from(ttl));
        span.stamps.push(sent.sent(flow, Direction::Request));
        span.stamps.extend(read.received(flow, Direction::Response));
        recorder.spans.push(span);
        Ok(ip)
    }
}
