//! Every wait that has a name, made large on purpose: it is seen where it is, and nothing else grows.
//!
//! A program that is stopped (SIGSTOP) is one that does not get a core: what it should read lies in its
//! sockets. Only once it lies there is the time counted for which the program stays stopped, so each wait has a
//! lower bound that holds on every machine.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use journey::semconv::name::{ACCEPT_QUEUE, QUEUE, WAKE_UP};
use journey::{Journey, PartKind};
use lab::browser::{Browser, Request, Response};
use tests::fixture::{Fixture, TestSlot};

use crate::check::{shown, sound};

/// For so long a program stays stopped: more than all the rest of a journey takes on a busy machine.
const HELD: Duration = Duration::from_secs(1);
/// Only a broken test waits for it.
const LIMIT: Duration = Duration::from_secs(20);
/// A request of the browser's, with its token, has more bytes than this; a health check has fewer.
const REQUEST: u64 = 300;
/// The only pod that gets requests in these labs.
const POD: &str = "cart-pod-def34";

/// A program that does not run until this is dropped.
struct Stopped(u32);

impl Stopped {
    fn stop(lab: &Fixture, hop: &str) -> anyhow::Result<Stopped> {
        let pid = lab.pid(hop).with_context(|| format!("{hop} does not run"))?;
        signal("-STOP", pid)?;
        Ok(Stopped(pid))
    }

    /// Stays stopped for [`HELD`] from now on, then goes on.
    async fn held(self) {
        #[allow(clippy::disallowed_methods, reason = "this is the length of the wait that is measured")]
        tokio::time::sleep(HELD).await;
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = signal("-CONT", self.0);
    }
}

fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let status = Command::new("kill").args([name, &pid.to_string()]).status()?;
    ensure!(status.success(), "kill {name} {pid}: {status}");
    Ok(())
}

/// The most bytes that lie unread in one connection to this address, accepted or not (proc_net(5)).
fn unread(at: SocketAddr) -> u64 {
    let SocketAddr::V4(v4) = at else { return 0 };
    let local = format!("{:08X}:{:04X}", u32::from_le_bytes(v4.ip().octets()), v4.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    let queues = table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (here, _there, state, queues) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        // In a listener's line (0A) it is the number of connections.
        let unread = (here == local && state == "01").then(|| queues.split_once(':')).flatten()?.1;
        u64::from_str_radix(unread, 16).ok()
    });
    queues.max().unwrap_or(0)
}

async fn request_lies_at(lab: &Fixture, hop: &str) -> anyhow::Result<()> {
    let at = lab.listen(hop);
    hop::wait::until(format!("a request unread at {hop}"), LIMIT, async || {
        (unread(at) > REQUEST).then_some(())
    })
    .await?;
    Ok(())
}

/// Waits until a hop is answering so many requests at once.
async fn requests_at(lab: &Fixture, hop: &str, count: usize) -> anyhow::Result<()> {
    let admin = lab.admin(hop);
    let line = format!("http_server_active_requests{{hop=\"{hop}\"}} {count}");
    hop::wait::until(format!("{count} requests at {hop}"), LIMIT, async || {
        let reply = hop::admin::client::get(admin, "/metrics").await.ok()?;
        String::from_utf8_lossy(&reply.body).lines().any(|found| found == line).then_some(())
    })
    .await?;
    Ok(())
}

/// A browser in the test's hands; the request that it makes may hang for a while.
fn sent(mut browser: Browser) -> tokio::task::JoinHandle<(Browser, anyhow::Result<Response>)> {
    tokio::spawn(async move {
        let response = browser.send(&Request::add_item("PROD-123", 1)).await;
        (browser, response)
    })
}

async fn journey(lab: &Fixture, response: Response) -> anyhow::Result<Journey> {
    lab.collector().claim(response.trace_id);
    lab.collector().insert(response.spans);
    let roster = lab.target()?.roster();
    let journey = lab.collector().journey(response.trace_id, &roster, LIMIT).await;
    let journey = journey.with_context(|| format!("nothing is known of {}", response.trace_id))?;
    sound(&journey)?;
    Ok(journey)
}

/// A journey in which nothing is held: it makes the connections.
async fn usual(lab: &Fixture, browser: Browser) -> anyhow::Result<(Browser, Journey)> {
    let (browser, response) = sent(browser).await?;
    Ok((browser, journey(lab, response?).await?))
}

/// This wait of this hop (by name or role) took at least [`HELD`], and everything else less. What the hop did with the
/// request before it had to wait counts as held: a test can see that the request is there, not how far it has come.
fn grown(journey: &Journey, hop: &str, kind: PartKind, name: &str) -> anyhow::Result<()> {
    let it = |part: &journey::Part| {
        (part.hop == hop || part.role == hop) && (part.kind, &*part.name) == (kind, name)
    };
    let (wait, held) = (journey.sum(it), HELD.as_nanos() as u64);
    let mut here = journey.parts.iter().filter(|part| part.hop == hop || part.role == hop);
    let arrived = here.next().map_or(0, |part| part.start_ns);
    let waiting = journey.parts.iter().find(|part| it(part)).map_or(arrived, |part| part.start_ns);
    let before = waiting - arrived;
    let rest = journey.sum(|part| !it(part));
    ensure!(wait + before >= held, "{hop}: {name} took {wait} ns, held were {held} ns\n{}", shown(journey));
    ensure!(rest < held, "beside {hop}: {name}, the rest took {rest} ns\n{}", shown(journey));
    Ok(())
}

/// The twin of [`grown`]: without anything held it must see nothing.
fn usual_has_no(journey: &Journey, hop: &str, kind: PartKind, name: &str) -> anyhow::Result<()> {
    ensure!(grown(journey, hop, kind, name).is_err(), "{hop}: {name} is always large\n{}", shown(journey));
    Ok(())
}

#[tokio::test]
async fn a_program_that_does_not_run_has_a_wake_up_and_a_connection_an_accept_queue() -> anyhow::Result<()> {
    let lab = Fixture::start("waits-wake").await?;
    let browser = Browser::new(lab.target()?.browser)?;
    // First: the load balancer has no connection to the ingress yet.
    let stopped = Stopped::stop(&lab, "ingress")?;
    let request = sent(browser);
    request_lies_at(&lab, "ingress").await?;
    stopped.held().await;
    let (browser, response) = request.await?;
    let queued = journey(&lab, response?).await?;
    grown(&queued, "ingress", PartKind::Wait, ACCEPT_QUEUE)?;

    let (browser, ordinary) = usual(&lab, browser).await?;
    usual_has_no(&ordinary, "ingress", PartKind::Wait, ACCEPT_QUEUE)?;
    usual_has_no(&ordinary, "ingress", PartKind::Wake, WAKE_UP)?;

    // Then: on a connection that is there.
    let stopped = Stopped::stop(&lab, "ingress")?;
    let request = sent(browser);
    request_lies_at(&lab, "ingress").await?;
    stopped.held().await;
    let (_, response) = request.await?;
    let woken = journey(&lab, response?).await?;
    grown(&woken, "ingress", PartKind::Wake, WAKE_UP)?;
    lab.finish().await;
    Ok(())
}

/// One request is stuck at the stopped Redis and holds the only place that a hop has; another one waits for
/// it. Returns an ordinary journey and the one that waited.
async fn behind_another(
    name: &str,
    waits_at: &str,
    settings: &[(&str, &str)],
) -> anyhow::Result<(Journey, Journey)> {
    let slot = TestSlot::take(name).await?;
    let mut options = slot
        .options()
        .set("hop.cart-service.endpoints", format!("[\"{POD}\"]"))
        .set(&format!("hop.{POD}.env.REDIS_TIMEOUT_MS"), "\"10000\"");
    for (key, value) in settings {
        options = options.set(key, *value);
    }
    let lab = slot.start(options).await?;
    let (first, _) = usual(&lab, Browser::new(lab.target()?.browser)?).await?;
    let (second, ordinary) = usual(&lab, Browser::new(lab.target()?.browser)?).await?;

    let stopped = Stopped::stop(&lab, "redis")?;
    let stuck = sent(first);
    requests_at(&lab, POD, 1).await?;
    let waiting = sent(second);
    requests_at(&lab, waits_at, 2).await?;
    stopped.held().await;
    let (_, response) = waiting.await?;
    let waited = journey(&lab, response?).await?;
    let (_, response) = stuck.await?;
    let stuck = journey(&lab, response?).await?;
    if stuck.total_ns < HELD.as_nanos() as u64 {
        bail!("the first request was not stuck\n{}", shown(&stuck));
    }
    lab.finish().await;
    Ok((ordinary, waited))
}

#[tokio::test]
async fn a_pod_with_one_worker_has_a_worker_queue() -> anyhow::Result<()> {
    let settings = [("hop.cart-pod-def34.workers", "1")];
    let (ordinary, waited) = behind_another("waits-worker", POD, &settings).await?;
    usual_has_no(&ordinary, POD, PartKind::Wait, QUEUE)?;
    grown(&waited, POD, PartKind::Wait, QUEUE)
}

#[tokio::test]
async fn a_pod_with_one_connection_to_redis_has_a_connection_pool() -> anyhow::Result<()> {
    let settings = [("hop.cart-pod-def34.env.REDIS_CONNECTIONS", "\"1\"")];
    let (ordinary, waited) = behind_another("waits-pool", POD, &settings).await?;
    usual_has_no(&ordinary, POD, PartKind::Wait, "redis.pool")?;
    grown(&waited, POD, PartKind::Wait, "redis.pool")
}

#[tokio::test]
async fn a_load_balancer_with_one_place_at_its_upstream_has_a_queue() -> anyhow::Result<()> {
    let settings = [("hop.lb.env.UPSTREAM_REQUESTS", "\"1\"")];
    let (ordinary, waited) = behind_another("waits-lb", "lb", &settings).await?;
    usual_has_no(&ordinary, "lb", PartKind::Wait, QUEUE)?;
    grown(&waited, "lb", PartKind::Wait, QUEUE)
}
