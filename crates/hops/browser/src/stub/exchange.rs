//! One query and its response, over UDP or over TCP, each a span of the journey.

use std::net::SocketAddr;

use anyhow::Context as _;
use hickory_proto::op::Message;
use hop::stamped::kernel;
use hop::{Mark, Stamped};
use journey::semconv::attribute;
use journey::{Direction, Flow, Kind, Stage, Stamp, Transport};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::recorder::Recorder;

/// Over UDP. What is no response to this query is ignored, and the waiting goes on: it may be late, or
/// forged (RFC 5452 §9.1). The caller says when it has been long enough.
pub(super) async fn over_udp(
    resolver: SocketAddr,
    query: &Message,
    recorder: &mut Recorder,
) -> anyhow::Result<Message> {
    let begun = hop::clock::now();
    let bytes = query.to_vec().context("encode the query")?;
    // The response must come from the address that was queried: a connected socket sees to it.
    let local = if resolver.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
    let socket = UdpSocket::bind(local).await.context("bind")?;
    socket.connect(resolver).await.context("connect")?;
    let flow = Flow { transport: Transport::Udp, client: socket.local_addr()?, server: resolver };
    if let Err(error) = kernel::enable(&socket) {
        tracing::debug!(%error, "no kernel stamps");
    }
    let offset = u64::from(query.id);
    let sent = Mark { offset, at: hop::clock::now(), ..Mark::default() };
    socket.send(&bytes).await.context("send")?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    let (response, read) = loop {
        let (length, _, read) = tokio::select! {
            received = kernel::recv_from(&socket, &mut buffer) => received.context("receive")?,
            // "Port unreachable" makes a socket erroneous, which is not the same as readable.
            error = refusal(&socket) => return Err(error).context("receive"),
        };
        match dnswire::response_to(query, &buffer[..length]) {
            Some(Ok(response)) => break (response, Mark { offset, ..read }),
            Some(Err(error)) => tracing::debug!(%error, "a response that cannot be read"),
            None => tracing::debug!("a response to something else"),
        }
    };
    drop(socket); // closing it belongs to this step
    let stamps = read.received(flow, Direction::Response);
    report(
        recorder,
        query,
        &response,
        begun,
        [sent.sent(flow, Direction::Request)].into_iter().chain(stamps),
    );
    Ok(response)
}

/// What went wrong with the socket, once something has.
async fn refusal(socket: &UdpSocket) -> std::io::Error {
    if let Err(error) = socket.ready(Interest::ERROR).await {
        return error;
    }
    match socket.take_error() {
        Ok(Some(error)) | Err(error) => error,
        Ok(None) => std::future::pending().await,
    }
}

/// Over TCP (RFC 7766).
pub(super) async fn over_tcp(
    resolver: SocketAddr,
    query: &Message,
    recorder: &mut Recorder,
) -> anyhow::Result<Message> {
    let begun = hop::clock::now();
    let mut stream =
        Stamped::connect(resolver).await.context("connect over TCP, for the response was truncated")?;
    let stamps = stream.stamps();
    dnswire::write_query(&mut stream, query).await.context("send over TCP")?;
    let sent = stamps.write_stamp(stamps.last_write());
    let response = dnswire::read_response(&mut stream, query).await.context("receive over TCP")?;
    let read = stamps.last_read();
    report(recorder, query, &response, begun, [sent].into_iter().chain(stamps.read_stamps(read)));
    Ok(response)
}

fn report(
    recorder: &mut Recorder,
    query: &Message,
    response: &Message,
    begun: u64,
    stamps: impl Iterator<Item = Stamp>,
) {
    let name = query.queries.first().map(|question| question.name.to_string()).unwrap_or_default();
    let ttl = response.answers.iter().map(|record| record.ttl).min().unwrap_or(0);
    let mut span = recorder
        .span(Kind::Client, format!("A {name}"), (begun, hop::clock::now()))
        .stage(Stage::Dns)
        .with(attribute::DNS_QUESTION_NAME, name)
        .with(attribute::DNS_ANSWER_TTL, u64::from(ttl));
    span.stamps.extend(stamps);
    recorder.spans.push(span);
}
