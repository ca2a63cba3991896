//! How many round trips does each step take?
//!
//! Times differ from machine to machine; round trips do not. So they are counted here, on the protocols as they really
//! run.

mod handshake;
mod segments;

use anyhow::Context as _;
use browser::Request;
use journey::{PartKind, Stage};
use serde::{Deserialize, Serialize};

use crate::browser_thread::BrowserThread;
use crate::collect::Collector;
use crate::flush::flush_resolver;
use crate::target::Target;
use crate::traced;

/// How often each handshake and each request is made: pieces of one flight that arrive apart can only make
/// a count greater, so the smallest is the protocol's.
const TRIES: usize = 5;

/// What was counted on the running stack. A round trip: the browser's machine sent something and could not
/// go on until something came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// DNS queries when the browser knows the name.
    pub dns_browser_knows: u32,
    /// DNS queries when the resolver knows it.
    pub dns_resolver_knows: u32,
    /// DNS queries when nobody knows it, the resolver's included.
    pub dns_walk: u32,
    /// Segments that came from the load balancer until the connection was there; `None` where the kernel
    /// does not say.
    pub tcp: Option<u32>,
    /// Round trips of a TLS 1.2 handshake; `None` when the load balancer refuses it.
    pub tls12: Option<u32>,
    /// Round trips of a TLS 1.3 handshake.
    pub tls13: Option<u32>,
    /// Round trips of a request and its response on an open connection.
    pub request: u32,
    /// TCP connections that a warm request's browser and hops open, and TLS handshakes.
    pub warm_handshakes: u32,
    /// Legs from the load balancer to the pod, one way.
    pub legs_to_pod: u32,
    /// Legs of what the pod requests while it works: there and back.
    pub legs_of_pod: u32,
}

/// Counts on a running stack: makes a few requests and handshakes.
///
/// # Errors
/// A request or a handshake fails, or a hop does not report.
pub async fn count(target: &Target, collector: &Collector) -> anyhow::Result<Counted> {
    let browser = BrowserThread::start(target.browser.clone(), target.entry.clone())?;
    let request = Request::add_item("PROD-123", 1);
    let one = async || {
        let traced = traced::send(&browser, collector, target, &request).await?;
        let (Request { method, path, .. }, status) = (&request, traced.response.status);
        anyhow::ensure!(status == hyper::StatusCode::CREATED, "{method} {path} was answered {status}");
        Ok(traced)
    };
    flush_resolver(target).await?;
    let walk = one().await?;
    browser.forget().await?;
    let cached = one().await?;
    let warm = one().await?;
    let mut turns = warm.response.turns;
    for _ in 1..TRIES {
        turns = turns.min(one().await?.response.turns);
    }

    let edge =
        target.hops.iter().find(|hop| hop.begins == Some(Stage::ToPod)).context("a plan has an edge")?;
    let edge = *edge.listen.first().context("the edge listens somewhere")?;
    let least = async |version| {
        let mut least: Option<u32> = None;
        for _ in 0..TRIES {
            let turns = handshake::turns(&target.browser.ca, &target.browser.host, edge, version).await?;
            least = least.into_iter().chain(turns).min();
        }
        anyhow::Ok(least)
    };
    let legs = |stage| {
        let is_leg = |part: &&journey::Part| part.stage == stage && part.kind == PartKind::Leg;
        u32::try_from(warm.parts.iter().filter(is_leg).count()).unwrap_or(u32::MAX)
    };
    Ok(Counted {
        dns_browser_knows: warm.counts.dns_queries,
        dns_resolver_knows: cached.counts.dns_queries,
        dns_walk: walk.counts.dns_queries,
        tcp: segments::until_connected(edge).context("connect to the edge")?,
        tls12: least(&rustls::version::TLS12).await?,
        tls13: least(&rustls::version::TLS13).await?,
        request: turns,
        warm_handshakes: warm.counts.connections_opened + warm.counts.tls_handshakes,
        legs_to_pod: legs(Stage::ToPod),
        legs_of_pod: legs(Stage::Application),
    })
}
