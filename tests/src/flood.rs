//! Floods of what the lab did not ask for: datagrams at a name server, spans at the collector.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hop::clock;
use hop::datagrams::{ReceiveBatch, SendBatch};
use hop::telemetry::Exporter;
use journey::semconv::attribute;
use journey::{Kind, Span, SpanId, TraceId};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Who floods at the same time.
const SENDERS: u32 = 4;
/// Queries of each that are on their way.
const IN_FLIGHT: usize = 64;
/// Spans of one message, as many as an SDK sends at once.
const BATCH: u64 = 512;
/// How long an answer is waited for that may be lost.
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks a resolver or a name server for names that do not exist, each another, for so long; returns how many queries
/// were answered.
///
/// # Errors
/// The address cannot be reached.
pub async fn dns(server: SocketAddr, time: Duration) -> anyhow::Result<u64> {
    let until = clock::monotonic() + time;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await?;
        senders.spawn(async move {
            let (mut queries, mut answers) = (SendBatch::default(), ReceiveBatch::default());
            let (mut number, mut answered, mut to_send) = (0_u32, 0, IN_FLIGHT);
            while clock::monotonic() < until {
                for _ in 0..to_send {
                    number = number.wrapping_add(1);
                    queries.add(server, |query| {
                        write_query(query, sender, number);
                        Some(())
                    });
                }
                queries.send(&socket).await;
                to_send = match tokio::time::timeout(PATIENCE, answers.receive(&socket)).await {
                    Ok(received) => received.map(|()| answers.iter().count())?,
                    Err(_) => IN_FLIGHT,
                };
                answered += to_send as u64;
            }
            std::io::Result::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(sender) = senders.join_next().await {
        answered += sender??;
    }
    Ok(answered)
}

/// `xN-S.myshop.com`, type A, class IN, RD set (RFC 1035 §4.1).
fn write_query(query: &mut Vec<u8>, sender: u32, number: u32) {
    query.extend(number.to_be_bytes()[2..].iter());
    query.extend(b"\x01\0\0\x01\0\0\0\0\0\0");
    let label = format!("x{number}-{sender}");
    query.push(u8::try_from(label.len()).unwrap_or(0));
    query.extend(label.as_bytes());
    query.extend(b"\x06myshop\x03com\0\0\x01\0\x01");
}

/// Reports requests that look as if they came from outside, each in a trace of its own, for so long; returns how many
/// spans the collector took.
///
/// # Errors
/// It takes none.
pub async fn spans(collector: SocketAddr, time: Duration) -> anyhow::Result<u64> {
    let until = clock::monotonic() + time;
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        senders.spawn(async move {
            let (mut exporter, mut number) = (Exporter::new(collector), 0);
            while clock::monotonic() < until {
                let spans: Vec<Span> =
                    (number..number + BATCH).map(|number| request(sender, number)).collect();
                let message = Bytes::from(hop::otlp::encode("flood", &spans));
                exporter.send(message).await.map_err(|error| anyhow::anyhow!("report spans: {error:?}"))?;
                number += BATCH;
            }
            anyhow::Ok(number)
        });
    }
    let mut taken = 0;
    while let Some(sender) = senders.join_next().await {
        taken += sender??;
    }
    Ok(taken)
}

fn request(sender: u32, number: u64) -> Span {
    let id = (u128::from(sender) + 1) << 64 | u128::from(number + 1);
    let (trace, now) = (TraceId(id.to_be_bytes()), clock::now());
    let span = SpanId((number + 1).to_be_bytes());
    Span::new(trace, span, None, Kind::Server, "GET /flood", (now.saturating_sub(1_000_000), now))
        .with(attribute::HTTP_REQUEST_METHOD, "GET")
        .with(attribute::URL_PATH, "/flood")
        .with(attribute::NETWORK_TRANSPORT, "tcp")
}
