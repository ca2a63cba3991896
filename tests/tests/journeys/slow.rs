//! A hop that needs D longer for its own work makes its own time longer by D, and nobody else's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hop::http::client::ClientLimits;
use hop::http::server::{Limits, Protocol, RequestBody, Server};
use hop::http::{Body, Client, empty};
use hop::{CancellationToken, Hop, Telemetry};
use http_body_util::BodyExt as _;
use hyper::{Request, Response};
use journey::{Attribution, Journey};
use lab::collect::Collector;
use tests::fixture::TestSlot;

use crate::check::{shown, sound};
use crate::measuring::{Kind, measure};

/// The slow hop's name: an ingress that passes everything on.
const SLOW: &str = "slow";
/// How much longer it works.
const DELAY: Duration = Duration::from_millis(5);
/// So many journeys without it and so many with it, so often.
const EACH: usize = 4;
const ROUNDS: usize = 10;

/// A hop on a thread of its own, as slow as it is told.
struct Slow {
    address: SocketAddr,
    delay_ns: Arc<AtomicU64>,
    telemetry: Telemetry,
    stop: CancellationToken,
}

impl Slow {
    /// In front of `next`.
    fn start(next: SocketAddr) -> anyhow::Result<Slow> {
        let (telemetry, stop) = (Telemetry::memory(SLOW), CancellationToken::new());
        let hop = Hop::for_tests(SLOW, telemetry.clone(), stop.clone());
        let delay_ns = Arc::new(AtomicU64::new(0));
        let delay = Arc::clone(&delay_ns);
        let (ready, address) = std::sync::mpsc::channel();
        std::thread::Builder::new().name(SLOW.into()).spawn(move || -> anyhow::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let client = Client::new(ClientLimits::default());
                let server = Server::new(&hop, Limits::default(), move |request: Request<RequestBody>| {
                    let (client, delay) = (client.clone(), Arc::clone(&delay));
                    async move {
                        if request.uri().path() == "/healthz" {
                            return Response::new(empty());
                        }
                        work(Duration::from_nanos(delay.load(Ordering::Relaxed)));
                        pass_on(&client, next, request).await
                    }
                });
                let listener = hop::listen::tcp(hop::listen::own_loopback())?;
                let _ = ready.send(listener.local_addr()?);
                hop::accept::run(listener, 64, &hop.shutdown, Duration::ZERO, |stream, stop| {
                    let stamps = stream.stamps();
                    server.clone().serve(stream, Protocol::Http1, stamps, stop)
                })
                .await;
                Ok(())
            })
        })?;
        let address = address.recv().context("the slow hop listens")?;
        Ok(Slow { address, delay_ns, telemetry, stop })
    }

    /// Hands its spans to the lab from now on, as other hops do by OTLP.
    fn reports_to(&self, collector: &Collector) {
        let (telemetry, collector, stop) = (self.telemetry.clone(), collector.clone(), self.stop.clone());
        tokio::spawn(async move {
            let mut often = tokio::time::interval(Duration::from_millis(20));
            while !stop.is_cancelled() {
                often.tick().await;
                collector.insert(telemetry.take());
            }
        });
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The hop's own work: its thread does nothing else meanwhile.
#[allow(clippy::disallowed_methods, reason = "this is the work, not a wait for something")]
fn work(time: Duration) {
    if !time.is_zero() {
        std::thread::sleep(time);
    }
}

async fn pass_on(client: &Client, next: SocketAddr, request: Request<RequestBody>) -> Response<Body> {
    let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    client.send(next, request).await.unwrap_or_else(|error| error.problem().into_response())
}

/// The slow hop's own time is never below the delay, in no journey.
fn at_least(journeys: &[Journey]) -> anyhow::Result<()> {
    for journey in journeys {
        let own = journey.own(SLOW);
        ensure!(own >= DELAY.as_nanos() as u64, "{SLOW} took {own} ns\n{}", shown(journey));
    }
    Ok(())
}

#[tokio::test]
async fn work_within_a_hop_is_that_hops_own_time() -> anyhow::Result<()> {
    let slot = TestSlot::take("slow-hop").await?;
    let slow = Slow::start(format!("127.96.50.100:{}", slot.port(8080)).parse()?)?;
    let options = slot
        .options()
        .set("hop.slow.role", "ingress")
        .set("hop.slow.external", format!("\"http://{}\"", slow.address))
        .set("hop.slow.reports", true)
        .set("hop.slow.rules", "[{ path = \"/\", service = \"cart-service\" }]")
        .set("hop.lb.upstreams", "[\"slow\"]");
    let lab = slot.start(options).await?;
    slow.reports_to(lab.collector());
    // Connections are opened in the first one.
    measure(&lab, 1, Kind::Warm).await?;
    // In turns: a machine that gets slower, or faster, does so for both.
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (longer, journeys) in [(Duration::ZERO, &mut without), (DELAY, &mut with)] {
            slow.delay_ns.store(longer.as_nanos() as u64, Ordering::Relaxed);
            journeys.extend(measure(&lab, EACH, Kind::Warm).await?.journeys().cloned());
        }
    }
    without.iter().chain(&with).try_for_each(sound)?;
    at_least(&with)?;
    ensure!(at_least(&without).is_err(), "the check does not notice a hop without delay");
    let (attribution, noise) = (Attribution::between(&without, &with), DELAY / 2);
    attribution.only(SLOW, DELAY, noise)?;
    ensure!(attribution.only("lb", DELAY, noise).is_err(), "the delay is not in the load balancer");
    lab.finish().await;
    Ok(())
}
