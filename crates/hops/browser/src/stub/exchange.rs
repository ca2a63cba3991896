//! One query and its response, over UDP or over TCP, each a span of the journey.

use std::net::SocketAddr;

use anyhow::Context as _;
use dnswire::QuerySocket;
use hickory_proto::op::Message;
use hop::{Mark, Stamped};
use journey::semconv::attribute;
use journey::{Direction, Kind, Stage, Stamp};

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
    let local = if resolver.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = QuerySocket::connect(local.parse()?, resolver).await.context("connect")?;
    let flow = socket.flow();
    let sent = Mark { offset: u64::from(query.id), at: hop::clock::now(), ..Mark::default() };
    socket.send(&bytes).await.context("send")?;
    let (response, read) = loop {
        match socket.response_to(query).await.context("receive")? {
            (Ok(response), read) => break (response, read),
            (Err(error), _) => tracing::debug!(%error, "a response that cannot be read"),
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
