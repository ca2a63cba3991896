//! Real programs in the lab's slots: the same request works, and they are timed by their neighbours.

use anyhow::{Context as _, ensure};
use journey::{Journey, PartKind, Quality};
use lab::Options;
use lab::measure::Measured;
use tests::fixture::{Fixture, Room};
use tests::programs;

use crate::ask::{Kind, measure};
use crate::check::{handed_on, once, shown, sound, way};

/// Those that report nothing here.
async fn measured_with(room: Room, options: Options, opaque: &[&str]) -> anyhow::Result<(Fixture, Measured)> {
    let lab = room.start(options).await?;
    let measured = measure(&lab, 5, Kind::Both).await?;
    for journey in measured.journeys() {
        sound(journey)?;
        for hop in opaque {
            inferred(journey, hop)?;
        }
        for hop in lab.plan().hops().map(|(_, hop)| &hop.name).filter(|hop| !opaque.contains(&hop.as_str())) {
            let all = || journey.parts.iter().filter(|part| part.hop == *hop);
            ensure!(all().all(|part| part.kind != PartKind::Opaque), "{hop} reports\n{}", shown(journey));
        }
        // Everything behind and before a swapped program still reports.
        for role in
            ["lb", "ingress", "cart-service", "cart", "inventory-service", "inventory", "store", "events"]
        {
            ensure!(journey.own(role) > 0, "{role} took no time\n{}", shown(journey));
        }
    }
    Ok((lab, measured))
}

/// A program that reports nothing has time all the same, and the report says how it was come by.
fn inferred(journey: &Journey, hop: &str) -> anyhow::Result<()> {
    let parts: Vec<_> =
        journey.parts.iter().filter(|part| part.hop == hop && part.kind != PartKind::Leg).collect();
    ensure!(!parts.is_empty() && journey.own(hop) > 0, "{hop} took no time\n{}", shown(journey));
    for part in parts {
        let honest = part.kind == PartKind::Opaque && part.quality == Quality::Inferred;
        ensure!(honest, "{hop} is {:?} {:?}\n{}", part.kind, part.quality, shown(journey));
    }
    Ok(())
}

/// The nginx configuration of the page on swapping, for this room's ports; `directive` goes into its
/// location.
fn nginx(room: &Room, directive: &str) -> anyhow::Result<Options> {
    let nginx = programs::find("nginx")?;
    let page = lab::workspace::root().context("the workspace")?.join("docs/swapping.md");
    let page = std::fs::read_to_string(page)?;
    let (_, block) = page.split_once("```nginx\n").context("the page has an nginx configuration")?;
    let (config, _) = block.split_once("```").context("a block ends")?;
    let service = "127.96.50.100:8080";
    ensure!(config.contains(service), "the page's configuration names cart-service");
    let config = config.replace(service, &format!("127.96.50.100:{}", room.port(8080)));
    let config = config.replace("proxy_http_version 1.1;", &format!("proxy_http_version 1.1; {directive}"));
    let file = room.path("nginx.conf");
    std::fs::write(&file, config)?;
    let text = |path: &std::path::Path| serde_json::Value::from(path.to_string_lossy());
    let command = format!("[{}, \"-e\", \"stderr\", \"-c\", \"{{CONFIG}}\"]", text(&nginx));
    Ok(room.options().set("hop.ingress.command", command).set("hop.ingress.config", text(&file)))
}

#[tokio::test]
async fn nginx_is_the_ingress() -> anyhow::Result<()> {
    let room = Room::take("swap-nginx").await?;
    let options = nginx(&room, "")?;
    let (lab, measured) = measured_with(room, options, &["ingress"]).await?;
    for journey in measured.journeys() {
        let way = way(journey, lab.plan())?;
        let way = once(&way);
        let at = way.iter().rposition(|hop| *hop == "cart").context("a pod")?;
        ensure!(way[at..] == ["cart", "cart-service", "ingress", "lb", "browser"], "{way:?}");
    }
    lab.finish().await;
    Ok(())
}

/// The twin of the above: an nginx that swallows `traceparent` cuts the journey off, and the shape shows it.
#[tokio::test]
async fn an_ingress_that_swallows_the_trace_is_noticed() -> anyhow::Result<()> {
    let room = Room::take("swap-forgetful").await?;
    let options = nginx(&room, "proxy_set_header traceparent \"\";")?;
    let lab = room.start(options).await?;
    let measured = measure(&lab, 1, Kind::Warm).await?;
    for journey in measured.journeys() {
        ensure!(journey.silent == ["cart-service"], "who is behind it must be missed: {:?}", journey.silent);
        inferred(journey, "ingress")?;
        let holders = handed_on(journey)?;
        ensure!(!holders.iter().any(|hop| hop.starts_with("cart-pod")), "{}", shown(journey));
        ensure!(journey.own("cart") == 0 && journey.own("store") == 0, "{}", shown(journey));
        let swallowed = journey.own("ingress") * 2 > journey.total_ns;
        ensure!(swallowed, "what happened behind it is counted as the ingress' own\n{}", shown(journey));
    }
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn haproxy_is_a_layer_4_service() -> anyhow::Result<()> {
    let haproxy = programs::find("haproxy")?;
    let room = Room::take("swap-haproxy").await?;
    let pods = [("abc12", "127.244.1.15"), ("def34", "127.244.2.23"), ("ghi56", "127.244.3.8")];
    let servers = pods.map(|(name, ip)| format!("  server {name} {ip}:{}\n", room.port(8080))).concat();
    let config = format!(
        "global\n  maxconn 100\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen cart-service\n  bind {{LISTEN}}\n  balance roundrobin\n{servers}"
    );
    let file = room.path("haproxy.cfg");
    std::fs::write(&file, config)?;
    let text = |path: &std::path::Path| serde_json::Value::from(path.to_string_lossy());
    let options = room
        .options()
        .set("hop.cart-service.command", format!("[{}, \"-db\", \"-f\", \"{{CONFIG}}\"]", text(&haproxy)))
        .set("hop.cart-service.config", text(&file));
    let (lab, _) = measured_with(room, options, &["cart-service"]).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn redis_server_is_the_store() -> anyhow::Result<()> {
    programs::find("redis-server")?;
    let room = Room::take("swap-redis").await?;
    // The command of the page on swapping.
    let page = lab::workspace::root().context("the workspace")?.join("docs/swapping.md");
    let page = std::fs::read_to_string(page)?;
    let (_, rest) = page.split_once("--swap redis='").context("the page swaps redis")?;
    let (command, _) = rest.split_once('\'').context("a quote ends")?;
    let options = room.options().swap("redis", command);
    let (lab, _) = measured_with(room, options, &["redis"]).await?;
    let redis = lab.listen("redis");
    let (ip, port) = (redis.ip().to_string(), redis.port().to_string());
    let server = programs::output("redis-cli", ["-h", &ip, "-p", &port, "INFO", "server"]).await?;
    ensure!(server.contains("redis_version:") && server.contains("run_id:"), "a real Redis: {server}");
    let cart = programs::output("redis-cli", ["-h", &ip, "-p", &port, "HGETALL", "cart:789"]).await?;
    ensure!(cart.lines().collect::<Vec<_>>() == ["PROD-123", "10"], "HGETALL cart:789 says {cart:?}");
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn two_swaps_at_once() -> anyhow::Result<()> {
    let room = Room::take("swap-two").await?;
    let options = nginx(&room, "")?
        .swap("store", "redis-server --bind {IP} --port {PORT} --dir {DATA_DIR} --appendonly yes --save ''");
    let (lab, measured) = measured_with(room, options, &["ingress", "redis"]).await?;
    ensure!(measured.hops.iter().filter(|hop| hop.opaque).count() == 2, "{:?}", measured.hops);
    lab.finish().await;
    Ok(())
}
