//! A process of its own, because Nagle's algorithm is turned on for a whole process.
//!
//! Nagle's algorithm against a delayed acknowledgement: the best-known wait that no program sees.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hop::http::client::ClientLimits;
use hop::http::server::Limits;
use hop::http::{Body, Client};
use hop::wait;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Frame;
use journey::semconv::name;
use journey::{Index, Journey, Kind, PartKind, Roster, Span, assemble};

#[allow(dead_code, unreachable_pub, reason = "shared with the suite, which needs all of it")]
#[path = "../suite/rig.rs"]
mod rig;

use rig::{Caller, LIMIT, Running, proxy};

/// A body in two pieces; the first one leaves before the second one is there.
struct Halves(u8);

impl hyper::body::Body for Halves {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        match self.0 {
            1 | 3 => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half of it"))))),
            2 => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }
}

async fn origin() -> Running {
    Running::start("origin", Limits::default(), |_| async {
        let halves: Body = Halves(0).map_err(|never| match never {}).boxed_unsync();
        Response::builder().header("content-length", "20").body(halves).unwrap()
    })
    .await
}

/// client → proxy → origin, so many times on the same connections, seen from the proxy on.
async fn journeys(count: usize) -> Vec<Journey> {
    let origin = origin().await;
    let proxy = proxy(origin.address, Client::new(ClientLimits::default()), Limits::default()).await;
    let mut caller = Caller::http1(proxy.address).await;
    let mut journeys = Vec::new();
    for _ in 0..count {
        assert_eq!(caller.get("/").await.body.len(), 20);
        // Both hops' spans; a hop's SERVER span is its last.
        let mut spans: Vec<Span> = Vec::new();
        wait::until("what both did", LIMIT, async || {
            spans.extend(origin.telemetry.take().into_iter().chain(proxy.telemetry.take()));
            (spans.iter().filter(|span| span.kind == Kind::Server).count() == 2).then_some(())
        })
        .await
        .unwrap();
        let trace = spans[0].trace_id;
        let mut index = Index::default();
        index.extend(spans);
        journeys.push(assemble(&index, &Roster::default(), trace).unwrap());
    }
    journeys
}

fn send_queue(journey: &Journey) -> u64 {
    journey.sum(|part| part.hop == "origin" && part.kind == PartKind::Wait && part.name == name::SEND_QUEUE)
}

#[tokio::test]
async fn a_message_in_two_pieces_waits_for_an_acknowledgement_only_where_nagle_is_on() {
    // The twin first: as hops are, nothing is held back.
    for journey in journeys(30).await {
        assert_eq!(send_queue(&journey), 0, "{:#?}", journey.parts);
    }

    hop::stamped::nagle(true);
    // At first Linux acknowledges at once; when it has seen question and answer alternate, it delays
    // by 40 ms (TCP_DELACK_MIN) or more.
    let journeys = journeys(30).await;
    let held: Vec<&Journey> = journeys.iter().filter(|journey| send_queue(journey) >= 30_000_000).collect();
    // And only it has grown: without its name, it would be the leg's, or the proxy's. Of many journeys on a
    // busy machine, the quickest shows that best.
    let quickest = held.into_iter().min_by_key(|journey| journey.total_ns);
    let quickest =
        quickest.unwrap_or_else(|| panic!("{:?}", journeys.iter().map(send_queue).collect::<Vec<_>>()));
    let rest = quickest.sum(|_| true) - send_queue(quickest);
    assert!(rest < send_queue(quickest), "{:#?}", quickest.parts);
    assert!(journeys.iter().all(|journey| journey.anomalies.is_empty()));
}
