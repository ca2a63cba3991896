//! `lab events --follow`, as a user starts it.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use lab::state::{Run, RunHop};
use serde_json::Value;

use super::check::distinct;
use super::load::Load;
use super::stage::{Engines, LIMIT, RestartedBy, Stage};

/// Requests a second.
const RATE: u32 = 30;
/// Acknowledged between two kills of the broker.
const BETWEEN: usize = 30;

pub(crate) async fn each_event_is_printed_once_in_order_with_its_trace(set: Engines) -> anyhow::Result<()> {
    let Some(mut stage) = Stage::open(set, "follow", RestartedBy::Lab).await? else { return Ok(()) };
    announce(&stage)?;
    let slot = stage.lab.slot().context("a test's lab has a slot")?;
    let sets = slot.options().sets.into_iter().flat_map(|set| ["--set".to_owned(), set]);
    let arguments = sets.chain(["events", "--follow", "--json"].map(str::to_owned));
    let (out, err) = (slot.path("followed"), slot.path("followed.err"));
    let mut command = tests::program::command(arguments).await?;
    command.stdout(File::create(&out)?).stderr(File::create(&err)?).stdin(Stdio::null());
    let mut follower = command.spawn().context("start lab events")?;
    let printed = || std::fs::read_to_string(&out).unwrap_or_default();
    let said = || std::fs::read_to_string(&err).unwrap_or_default();

    let users: Vec<String> = (0..6).map(|number| format!("follow-{number}")).collect();
    let to = stage.listen("cart-service");
    let products: Vec<String> = (0..6).map(|number| format!("PROD-L{number}")).collect();
    for product in &products {
        stage.stock(product, 10_000).await?;
    }
    let load = Load::start(stage.customers(), to, RATE, users.clone(), products);
    for kill in [true, true, false] {
        let wanted = load.acknowledged() + BETWEEN;
        let what = format!("{wanted} acknowledged");
        hop::wait::until(what, LIMIT, async || (load.acknowledged() >= wanted).then_some(())).await?;
        if kill {
            stage.kill("kafka").await?;
        }
    }
    let ops = load.finish().await;
    stage.settled(&users).await?;
    let log = stage.log().await?;
    let events = distinct(&log);
    let all = hop::wait::until("every event to be printed", LIMIT, async || {
        (printed().lines().count() >= events.len()).then_some(())
    });
    all.await
        .with_context(|| format!("{} of {}; it said\n{}", printed().lines().count(), events.len(), said()))?;

    // Ctrl-C is how it ends.
    let pid = follower.id().context("it runs")?.to_string();
    tests::programs::output("kill", ["-INT", &pid]).await?;
    let status = tokio::time::timeout(LIMIT, follower.wait()).await.context("Ctrl-C ends it")??;
    ensure!(status.success(), "{status}: {}", said());
    ensure!(said().contains("Kafka is gone") && said().contains("Kafka is back"), "{}", said());

    let lines = printed();
    let lines = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    ensure!(lines.len() == events.len(), "{} printed, {} events", lines.len(), events.len());
    let mut by_cart: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for event in &events {
        by_cart.entry(&event.cart).or_default().push((&event.event, &event.trace));
    }
    let mut printed: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    let text = |line: &'_ Value, name: &str| {
        line[name].as_str().map(str::to_owned).with_context(|| line.to_string())
    };
    let lines = lines
        .iter()
        .map(|line| Ok((text(line, "cartId")?, text(line, "eventId")?, text(line, "traceId")?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for (cart, event, trace) in &lines {
        printed.entry(cart).or_default().push((event, trace));
    }
    ensure!(printed == by_cart, "printed {printed:#?}\nin Kafka {by_cart:#?}");
    for op in &ops {
        let cart = &printed[format!("CART-{}", op.user).as_str()];
        let caused = cart.iter().filter(|(_, trace)| *trace == op.trace).count();
        ensure!(caused == 1, "{op:?} caused {caused} events");
    }
    stage.finish().await;
    Ok(())
}

/// The library starts no control server and so announces nothing; what `lab events` needs of it is said here.
fn announce(stage: &Stage) -> anyhow::Result<()> {
    let hops = stage.lab.statuses().into_iter().map(|status| RunHop {
        name: status.name,
        role: status.role,
        pid: status.pid,
        listen: status.listen,
        admin: status.admin,
    });
    let run = Run {
        pid: std::process::id(),
        since_unix_ns: hop::clock::now(),
        control: "127.0.0.1:1".parse()?,
        secret: hop::admin::Secret::random(),
        config: stage.lab.plan().source.clone(),
        build: "debug".to_owned(),
        hops: hops.collect(),
        hosts: Default::default(),
    };
    Ok(std::fs::write(stage.lab.folder().join("run.json"), serde_json::to_vec(&run)?)?)
}
