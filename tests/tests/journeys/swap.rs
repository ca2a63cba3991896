//! Real programs in the lab's slots, by the recipes that ship with it: the same request works, and they are
//! timed by their neighbours although nothing inside them reports.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use journey::{Journey, PartKind, Quality};
use lab::Options;
use lab::measure::Measured;
use tests::fixture::{Fixture, TestSlot};
use tests::programs;
use tests::slow_link::SlowLink;

use crate::check::{handed_on, once, shown, sound, way};
use crate::measuring::{Kind, cold, measure, median, warm};

/// The browser's question, and the resolver's to root, com and myshop.
const WALKED: u32 = 1 + 3;
/// A resolver that reports nothing keeps its own queries to itself: only the browser's is seen.
const ONE_QUERY: u32 = 1;
/// Journeys of each kind.
const EACH: usize = 5;

/// Measures with these recipes, and returns the lab with what was measured when all of it is as it should.
async fn measured_with(
    name: &str,
    recipes: &[(&str, &str)],
    opaque: &[&str],
    questions: u32,
) -> anyhow::Result<(Fixture, Measured)> {
    let slot = TestSlot::take(name).await?;
    let mut options = slot.options();
    for (who, recipe) in recipes {
        options = options.swap(who, recipe);
    }
    measured(slot, options, opaque, questions).await
}

/// `opaque` are those that report nothing here.
async fn measured(
    slot: TestSlot,
    options: Options,
    opaque: &[&str],
    questions: u32,
) -> anyhow::Result<(Fixture, Measured)> {
    let lab = slot.start(options).await?;
    let measured = measure(&lab, EACH, Kind::Both).await?;
    for journey in measured.journeys() {
        sound(journey)?;
        let is_opaque = |hop: &str| opaque.contains(&hop);
        let exact = journey.parts.iter().filter(|part| !is_opaque(&part.hop));
        for part in exact {
            let measured = part.kind != PartKind::Opaque && part.quality != Quality::Inferred;
            ensure!(measured, "{} reports, but its part is {:?}\n{}", part.hop, part.quality, shown(journey));
        }
        // Everything behind and before a swapped program still reports.
        for role in
            ["lb", "ingress", "cart-service", "cart", "inventory-service", "inventory", "store", "events"]
        {
            ensure!(journey.own(role) > 0, "{role} took no time\n{}", shown(journey));
        }
    }
    // A warm journey asks no name server, nor whom only the DNS knows.
    let of_dns = ["resolver", "root", "com", "myshop"];
    for journey in cold(&measured) {
        for hop in opaque {
            inferred(journey, hop)?;
        }
        counted(journey, 1, questions)?;
    }
    for journey in warm(&measured) {
        for hop in opaque.iter().filter(|hop| !of_dns.contains(hop)) {
            inferred(journey, hop)?;
        }
        counted(journey, 0, 0)?;
        ensure!(journey.counts.connections_opened == 0, "a warm journey connects\n{}", shown(journey));
    }
    let silent: Vec<&str> =
        measured.hops.iter().filter(|hop| hop.opaque).map(|hop| hop.name.as_str()).collect();
    ensure!(silent.len() == opaque.len(), "opaque are {silent:?}, expected {opaque:?}");
    ensure!(lab.warnings().is_empty(), "a recipe needs no warning: {:?}", lab.warnings());
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

/// Handshakes and questions are seen from outside, whoever is asked.
fn counted(journey: &Journey, handshakes: u32, questions: u32) -> anyhow::Result<()> {
    let seen = (journey.counts.tls_handshakes, journey.counts.dns_queries);
    ensure!(
        seen == (handshakes, questions),
        "{seen:?} handshakes and questions, expected {:?}\n{}",
        (handshakes, questions),
        shown(journey)
    );
    Ok(())
}

#[tokio::test]
async fn nginx_is_the_ingress() -> anyhow::Result<()> {
    let (lab, measured) = measured_with("swap-nginx", &[("ingress", "nginx")], &["ingress"], WALKED).await?;
    for journey in measured.journeys() {
        let way = way(journey, lab.plan())?;
        let way = once(&way);
        let at = way.iter().rposition(|hop| *hop == "cart").context("a pod")?;
        ensure!(way[at..] == ["cart", "cart-service", "ingress", "lb", "browser"], "{way:?}");
    }
    rules_hold(&lab).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn haproxy_is_the_ingress() -> anyhow::Result<()> {
    let (lab, _) = measured_with("swap-haproxy-7", &[("ingress", "haproxy")], &["ingress"], WALKED).await?;
    rules_hold(&lab).await?;
    lab.finish().await;
    Ok(())
}

/// `Prefix` means path elements, and what no rule matches is 404.
pub(crate) async fn rules_hold(lab: &Fixture) -> anyhow::Result<()> {
    let ingress = lab.listen("ingress");
    for (host, path, status) in [
        ("api.myshop.com", "/cart", "401"),
        ("api.myshop.com:8443", "/cart?x=1", "401"),
        ("API.myshop.com", "/cart/items", "404"),
        ("api.myshop.com", "/cartoon", "404"),
        ("api.myshop.com", "/", "404"),
        ("shop.example", "/cart", "404"),
        ("shop.example", "/healthz", "200"),
    ] {
        let (url, host) = (format!("http://{ingress}{path}"), format!("host: {host}"));
        let arguments =
            ["-s", "-o", "/dev/null", "-w", "%{http_code} %header{server-timing}", "-H", &host, &url];
        let said = programs::output("curl", arguments).await?;
        // A 404 of the cart, which serves only POST there, is not one of the ingress.
        let reached = said.contains("cart-pod");
        let expected = path == "/cart/items" || status == "401";
        ensure!(said.starts_with(status) || expected, "{host} {path}: {said}, expected {status}");
        ensure!(
            reached == expected,
            "{host} {path}: a cart pod {}",
            if reached { "answered" } else { "did not" }
        );
    }
    Ok(())
}

/// A recipe's program with a configuration of one's own. It is the twin of the above: an nginx that swallows
/// `traceparent` cuts the journey off, and the shape shows it.
#[tokio::test]
async fn an_ingress_that_swallows_the_trace_is_noticed() -> anyhow::Result<()> {
    let slot = TestSlot::take("swap-forgetful").await?;
    let recipe = lab::workspace::root().context("the workspace")?.join("recipes/ingress/nginx/nginx.conf");
    let config = std::fs::read_to_string(recipe)?;
    let line = "proxy_http_version 1.1;";
    ensure!(config.contains(line), "the recipe says {line}");
    let file = slot.path("nginx.conf");
    std::fs::write(&file, config.replace(line, &format!("{line} proxy_set_header traceparent \"\";")))?;
    let file = serde_json::Value::from(file.to_string_lossy());
    let options = slot.options().swap("ingress", "nginx").set("hop.ingress.config", file);
    let lab = slot.start(options).await?;
    let measured = measure(&lab, EACH, Kind::Warm).await?;
    for journey in measured.journeys() {
        ensure!(
            journey.awaited == ["cart-service"],
            "who is behind it must be missed: {:?}",
            journey.awaited
        );
        inferred(journey, "ingress")?;
        let holders = handed_on(journey)?;
        ensure!(!holders.iter().any(|hop| hop.starts_with("cart-pod")), "{}", shown(journey));
        ensure!(journey.own("cart") == 0 && journey.own("store") == 0, "{}", shown(journey));
    }
    // In any one journey a busy machine can keep a leg waiting for longer than all that was swallowed.
    let shares = measured.journeys().map(|journey| journey.own("ingress") * 100 / journey.total_ns);
    let share = median(shares);
    ensure!(share > 50, "what happened behind the ingress is counted as its own, which is {share} %");
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn haproxy_is_the_load_balancer() -> anyhow::Result<()> {
    let (lab, _) = measured_with("swap-haproxy-lb", &[("lb", "haproxy")], &["lb"], WALKED).await?;
    edge_holds(&lab).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn nginx_is_the_load_balancer() -> anyhow::Result<()> {
    let (lab, _) = measured_with("swap-nginx-lb", &[("lb", "nginx")], &["lb"], WALKED).await?;
    edge_holds(&lab).await?;
    lab.finish().await;
    Ok(())
}

/// HTTP/2 and HTTP/1.1 by ALPN, with the lab's own certificate.
async fn edge_holds(lab: &Fixture) -> anyhow::Result<()> {
    let lb = lab.listen("lb");
    let (url, resolve) = (
        format!("https://api.myshop.com:{}/cart", lb.port()),
        format!("api.myshop.com:{}:{}", lb.port(), lb.ip()),
    );
    let ca = lab.certs().authority().to_string_lossy().into_owned();
    for (version, expected) in [("--http2", "2 401"), ("--http1.1", "1.1 401")] {
        let said = programs::output(
            "curl",
            [
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_version} %{http_code}",
                "--cacert",
                &ca,
                "--resolve",
                &resolve,
            ]
            .into_iter()
            .chain([version, url.as_str()]),
        );
        let said = said.await?;
        ensure!(said == expected, "{version}: {said}, expected {expected}");
    }
    Ok(())
}

#[tokio::test]
async fn haproxy_is_a_layer_4_service() -> anyhow::Result<()> {
    let recipes = [("cart-service", "haproxy"), ("inventory-service", "haproxy")];
    let opaque = ["cart-service", "inventory-service"];
    let (lab, _) = measured_with("swap-haproxy-4", &recipes, &opaque, WALKED).await?;
    // Its own health checks replace the lab's: a pod that is gone is not asked, and nothing fails.
    let pid = lab.pid("cart-pod-def34");
    lab.kill("cart-pod-def34")?;
    for _ in 0..3 {
        for journey in measure(&lab, 1, Kind::Cold).await?.journeys() {
            ensure!(journey.status == Some(201), "{}", shown(journey));
        }
    }
    lab.ready_again("cart-pod-def34", pid).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn unbound_is_the_resolver() -> anyhow::Result<()> {
    let (lab, _) =
        measured_with("swap-unbound", &[("resolver", "unbound")], &["resolver"], ONE_QUERY).await?;
    lab.finish().await;
    Ok(())
}

/// Cold means cold: for each cold journey the name server is asked again, and for none that is warm. The twin
/// whose cache is not emptied is asked once.
#[tokio::test]
async fn unbound_is_emptied_before_each_cold_journey() -> anyhow::Result<()> {
    for (flush, name, again) in
        [(None, "swap-unbound-cold", EACH), (Some("/bin/true"), "swap-unbound-full", 0)]
    {
        let slot = TestSlot::take(name).await?;
        let myshop: SocketAddr = format!("127.0.53.3:{}", slot.port(5300)).parse()?;
        let wire = SlowLink::udp("127.0.0.1:0".parse()?, myshop)?;
        let mut options = slot.options().swap("resolver", "unbound");
        options = options.set("hop.resolver.env.NAME_SERVERS", format!("\"myshop.com. {}\"", wire.address()));
        if let Some(flush) = flush {
            options = options.set("hop.resolver.flush", flush);
        }
        let lab = slot.start(options).await?;
        measure(&lab, 1, Kind::Cold).await?;
        let first = wire.passed();
        ensure!(first > 0, "unbound asks where it is told to");
        measure(&lab, EACH, Kind::Cold).await?;
        let cold = wire.passed() - first;
        ensure!(cold == again as u64, "{EACH} cold journeys made {cold} questions, expected {again}");
        measure(&lab, EACH, Kind::Warm).await?;
        ensure!(wire.passed() - first <= cold + 1, "warm journeys ask nobody, but for the one that warms up");
        lab.finish().await;
    }
    Ok(())
}

#[tokio::test]
async fn nsd_is_every_name_server() -> anyhow::Result<()> {
    let opaque = ["root", "com", "myshop"];
    let (lab, _) = measured_with("swap-nsd", &[("dns", "nsd")], &opaque, WALKED).await?;
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn redis_server_is_the_store() -> anyhow::Result<()> {
    let (lab, _) = measured_with("swap-redis", &[("store", "redis-server")], &["redis"], WALKED).await?;
    let redis = lab.listen("redis");
    let (ip, port) = (redis.ip().to_string(), redis.port().to_string());
    let redis = async |words: &[&str]| {
        programs::output("redis-cli", ["-h", &ip, "-p", &port].into_iter().chain(words.iter().copied())).await
    };
    let server = redis(&["INFO", "server"]).await?;
    ensure!(server.contains("redis_version:") && server.contains("run_id:"), "a real Redis: {server}");
    // What was acknowledged is there when it comes back after `kill -9`.
    for restarted in [false, true] {
        if restarted {
            let pid = lab.pid("redis");
            lab.kill("redis")?;
            lab.ready_again("redis", pid).await?;
        }
        let cart = redis(&["HGETALL", "cart:789"]).await?;
        ensure!(cart.lines().collect::<Vec<_>>() == ["PROD-123", "10"], "HGETALL cart:789 says {cart:?}");
    }
    lab.finish().await;
    Ok(())
}

/// Started, supervised and restarted by the lab; the first start on a machine fetches the jars.
#[tokio::test]
async fn apache_kafka_is_the_event_log() -> anyhow::Result<()> {
    programs::find("mvn")?;
    let (lab, _) = measured_with("swap-kafka", &[("events", "kafka")], &["kafka"], WALKED).await?;
    let broker = lab.listen("kafka").to_string();
    let events = async || {
        let arguments = ["-q", "-b", &broker, "-t", "cart-events", "-C", "-e", "-f", "%k %h\n"];
        anyhow::Ok(programs::output("kcat", arguments).await?.lines().map(str::to_owned).collect::<Vec<_>>())
    };
    let before = events().await?;
    ensure!(before.len() == 2 * EACH, "one event for each journey: {before:?}");
    ensure!(
        before.iter().all(|event| event.starts_with("CART-789 ") && event.contains("traceparent=")),
        "{before:?}"
    );
    // What was acknowledged is there when it comes back after `kill -9`, and it goes on.
    let pid = lab.pid("kafka");
    lab.kill("kafka")?;
    lab.ready_again("kafka", pid).await?;
    let mut kept = events().await?;
    kept.truncate(before.len());
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    ensure!(sorted(kept) == sorted(before), "what was acknowledged is kept");
    measure(&lab, 1, Kind::Warm).await?;
    lab.finish().await;
    Ok(())
}

/// A JVM pod with OpenTelemetry's own agent: its spans have no stamps, and everything around it is exact all the same.
#[tokio::test]
async fn spring_boot_is_a_pod_of_the_cart() -> anyhow::Result<()> {
    const POD: &str = "cart-pod-abc12";
    for program in ["javac", "mvn"] {
        programs::find(program)?;
    }
    let slot = TestSlot::take("swap-spring").await?;
    // It gets every request; the other two pods finish what it leaves.
    let options = slot.options().swap(POD, "spring-boot");
    let lab = slot.start(options.set("hop.cart-service.endpoints", format!("[\"{POD}\"]"))).await?;
    // A JVM's first request loads its classes: on a busy machine the load balancer may give it up.
    let first =
        async || lab.post_cart_item("PROD-123", 1).await.is_ok_and(|it| it.status == Some(201)).then_some(());
    hop::wait::until("the JVM's first 201", Duration::from_secs(120), first).await?;

    let measured = measure(&lab, EACH, Kind::Both).await?;
    for journey in measured.journeys() {
        sound(journey)?;
        let controller = |part: &journey::Part| part.hop == POD && part.name == "CartController.addItem";
        ensure!(journey.parts.iter().any(controller), "no controller\n{}", shown(journey));
        ensure!(journey.own("cart") > 0, "the pod took no time\n{}", shown(journey));
        // Whom it called without a stamp, it says; when they worked, it can't.
        inferred(journey, "redis")?;
        for hop in ["lb", "ingress", "cart-service", "inventory-service", "inventory"] {
            let own = |part: &&journey::Part| part.hop == hop || part.role == hop;
            for part in journey.parts.iter().filter(own).filter(|part| part.kind != PartKind::Leg) {
                let exact = part.kind != PartKind::Opaque && part.quality != Quality::Inferred;
                ensure!(exact, "{hop} is {:?} {:?}\n{}", part.kind, part.quality, shown(journey));
            }
            ensure!(journey.own(hop) > 0, "{hop} took no time\n{}", shown(journey));
        }
    }
    let broker = lab.listen("kafka").to_string();
    let arguments = ["-q", "-b", &broker, "-t", "cart-events", "-C", "-e", "-f", "%k %h\n"];
    let log = programs::output("kcat", arguments).await?;
    for journey in measured.journeys() {
        let trace = format!("traceparent=00-{}-", journey.trace_id);
        let event = log.lines().find(|line| line.contains(&trace)).context("no event of this trace")?;
        let headers = ["CART-789 ", "type=item-added", "content-type=application/json"];
        ensure!(headers.iter().all(|words| event.contains(words)), "{event}");
    }
    lab.finish().await;
    Ok(())
}

/// Nine hops, five real programs, none of which reports anything.
#[tokio::test]
async fn all_of_them_at_once() -> anyhow::Result<()> {
    let slot = TestSlot::take("swap-all").await?;
    let mut options = slot.options();
    for (who, recipe) in [
        ("resolver", "unbound"),
        ("dns", "nsd"),
        ("lb", "haproxy"),
        ("ingress", "nginx"),
        ("clusterip", "haproxy"),
        ("store", "redis-server"),
    ] {
        options = options.swap(who, recipe);
    }
    let lab = slot.start(options).await?;
    let measured = measure(&lab, EACH, Kind::Both).await?;
    ensure!(measured.hops.iter().filter(|hop| hop.opaque).count() == 9, "{:?}", measured.hops);
    for journey in measured.journeys() {
        sound(journey)?;
        for hop in ["lb", "inventory-service", "redis"] {
            inferred(journey, hop)?;
        }
        // Whose neighbours report nothing either is timed together with them, and the part says so.
        for way in ["request", "response"] {
            let name = format!("lb + ingress + cart-service ({way})");
            ensure!(journey.parts.iter().any(|part| part.name == name), "no {name}\n{}", shown(journey));
        }
        for role in ["cart", "inventory", "events"] {
            ensure!(journey.own(role) > 0, "{role} took no time\n{}", shown(journey));
        }
    }
    for journey in cold(&measured) {
        inferred(journey, "resolver")?;
        counted(journey, 1, ONE_QUERY)?;
    }
    for journey in warm(&measured) {
        counted(journey, 0, 0)?;
    }
    lab.finish().await;
    Ok(())
}

/// An engine whose settings lose what it acknowledges is named when the lab starts.
#[tokio::test]
async fn a_store_that_forgets_is_warned_of() -> anyhow::Result<()> {
    let slot = TestSlot::take("swap-forgets").await?;
    let base = "redis-server --bind {IP} --port {PORT} --dir {DATA_DIR} --save ''";
    let options = slot.options().swap("store", &format!("{base} --appendonly no"));
    let lab = slot.start(options).await?;
    let [warning] = lab.warnings() else { anyhow::bail!("one warning, not {:?}", lab.warnings()) };
    for words in ["redis at", "appendonly is no", "what to do", "--swap redis=redis-server"] {
        ensure!(warning.contains(words), "{warning:?} does not say {words:?}");
    }
    lab.finish().await;
    Ok(())
}

/// The page on swapping and the recipes name the same programs.
#[test]
fn the_page_on_swapping_names_every_recipe() -> anyhow::Result<()> {
    let page = lab::workspace::root().context("the workspace")?.join(Path::new("docs/swapping.md"));
    let page = std::fs::read_to_string(page)?;
    for recipe in lab::recipe::all() {
        let name = format!("`{}`", recipe.name);
        let line = page.lines().find(|line| line.starts_with(&format!("| `{}`", recipe.role)));
        ensure!(line.is_some_and(|line| line.contains(&name)), "no line of {} names {name}", recipe.role);
    }
    Ok(())
}
