//! The same journeys from the packets on loopback, beside what the programs say.
//!
//! It needs CAP_NET_RAW. Without it these tests say that they did not run; under CI they fail then.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, ensure};
use hop::http::server::{Limits, Protocol, Server};
use hop::{CancellationToken, Hop, Stamped, Telemetry};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use journey::{Counts, Journey, PartKind, Quality, Stage};
use lab::collect::Collector;
use lab::measure::{Measured, Options};
use lab::packets::{self, Tap};
use tap::compare::Compared;
use tap::packet::{Carries, Packet};
use tests::fixture::{Fixture, TestSlot};
use tests::{program, programs};

use crate::check::{legs, shown, sound};
use crate::measuring::{Kind, measure};

/// By how much a read may be stamped before its packet, in nanoseconds: two processors, one clock.
const TOLERANCE: i64 = 5_000;
/// A debug build on a busy machine: what lies between a stamp and its packet when nothing is wrong.
const LOOSE: i64 = 2_000_000;

fn may_capture(test: &str) -> bool {
    let Err(why) = tap::allowed() else { return true };
    assert!(std::env::var_os("CI").is_none(), "{test} did not run, and CI is set: {why}");
    // Not by eprintln, which the test runner keeps to itself when a test passes.
    let _ = std::io::stderr().write_all(format!("NOT RUN: {test}: {why}\n").as_bytes());
    false
}

/// Measures with the tap, and returns what it saw as well.
async fn tapped(
    lab: &Fixture,
    count: usize,
    kind: Kind,
    tap: packets::Options,
) -> anyhow::Result<(Measured, Tap)> {
    let (cold, warm) = (kind != Kind::Warm, kind != Kind::Cold);
    let options = Options { count, cold, warm, tap: Some(tap), ..Options::default() };
    let measured = lab::measure::run(&lab.target()?, lab.collector(), &options, |_, _| {}).await?;
    // What scripts get is what there is.
    let written = serde_json::to_string(&measured)?;
    let read: Measured = serde_json::from_str(&written)?;
    let tap = read.tap.context("the tap was asked for")?;
    ensure!(measured.tap.as_ref() == Some(&tap), "journey/1 loses something: {written}");
    Ok((measured, tap))
}

fn accused(tap: &Tap) -> BTreeSet<&str> {
    tap.misreporting().map(|hop| hop.hop.as_str()).collect()
}

/// The messages and counts of its way, but for bytes, of which a header more or less is compressed.
fn way(journey: &Journey) -> (usize, Counts) {
    (legs(journey), Counts { request_bytes: None, response_bytes: None, spans: 0, ..journey.counts })
}

#[tokio::test]
async fn programs_and_packets_agree() -> anyhow::Result<()> {
    if !may_capture("programs_and_packets_agree") {
        return Ok(());
    }
    let lab = Fixture::start("tap-agree").await?;
    let without = measure(&lab, 5, Kind::Both).await?;
    let (with, tap) = tapped(&lab, 12, Kind::Both, packets::Options::default()).await?;
    for journey in with.journeys() {
        sound(journey)?;
    }
    // It only listens: what a journey does is what it does without.
    let of = |measured: &Measured| -> Vec<(usize, Counts)> { measured.journeys().map(way).collect() };
    let (without, with) = (of(&without), of(&with));
    ensure!(with[1..12].iter().all(|way| *way == without[1]), "cold: {with:?}, without: {:?}", without[1]);
    ensure!(with[12..].iter().all(|way| *way == without[9]), "warm: {with:?}, without: {:?}", without[9]);

    ensure!(tap.packets > 0 && tap.lost == 0, "{} packets, {} lost", tap.packets, tap.lost);
    ensure!(tap.anchored > 0, "connections among the hops were there before");
    ensure!(accused(&tap).is_empty(), "{:?}", tap.misreporting().collect::<Vec<_>>());
    let names: BTreeSet<&str> = lab.plan().hops().map(|(_, hop)| hop.name.as_str()).collect();
    let seen: BTreeSet<&str> =
        tap.compared().flat_map(|compared| &compared.hops).map(|hop| hop.hop.as_str()).collect();
    // Of several pods one may not have had its turn.
    for name in names.iter().filter(|name| !name.contains("-pod-")) {
        ensure!(seen.contains(name), "{name} took part: {seen:?}");
    }
    for compared in tap.compared() {
        ensure!(compared.journeys == 12, "{} of 12 were compared", compared.journeys);
        for hop in &compared.hops {
            ensure!(hop.stamps > 0 && hop.unseen == 0 && hop.impossible == 0, "{hop:?}");
            if hop.hop != "browser" {
                ensure!(hop.inside_ns.is_some() && hop.tap_ns.is_some() && !hop.opaque, "{hop:?}");
                // Wake-ups and system calls are in the one and not in the other.
                ensure!(hop.disagreement_ns.is_some_and(|by| by <= TOLERANCE), "{hop:?}");
            }
        }
        for leg in &compared.legs {
            ensure!(
                leg.messages >= 12 || leg.from.contains("events") || leg.to.contains("events"),
                "{leg:?}"
            );
            let (inside, tap) = (leg.inside_ns.context("inside")?, leg.tap_ns.context("tap")?);
            ensure!(inside > 0 && tap > 0 && leg.wake_ns.is_some(), "{leg:?}");
            // From before the write to after the arrival is longer than from out to in.
            // Until the read it is longer by the wake-up, and that may be anything.
            let most = if leg.woken { i64::MAX } else { LOOSE };
            ensure!(leg.disagreement_ns.is_some_and(|by| (-TOLERANCE..most).contains(&by)), "{leg:?}");
            ensure!(leg.sent_ns.is_some_and(|by| (-TOLERANCE..LOOSE).contains(&by)), "{leg:?}");
        }
        let legs: BTreeSet<(&str, &str)> =
            compared.legs.iter().map(|leg| (leg.from.as_str(), leg.to.as_str())).collect();
        let way = ["browser", "lb", "ingress", "cart-service", "cart", "inventory-service", "inventory"];
        for pair in way.windows(2) {
            ensure!(legs.contains(&(pair[0], pair[1])), "{pair:?} is not in {legs:?}");
            ensure!(legs.contains(&(pair[1], pair[0])), "{pair:?} is not in {legs:?} backwards");
        }
        ensure!(legs.contains(&("cart", "store")) && legs.contains(&("events", "cart")), "{legs:?}");
    }
    let cold = tap.cold.as_ref().context("cold journeys")?;
    let has_leg = |from: &str, to: &str| cold.legs.iter().any(|leg| leg.from == from && leg.to == to);
    ensure!(
        has_leg("browser", "resolver") && has_leg("resolver", "root") && has_leg("com", "resolver"),
        "DNS, too"
    );
    lab.finish().await;
    Ok(())
}

/// A program whose reports pass through hands that move every time in them by 5 ms.
/// When SYN left the one and SYN-ACK had come back to it, of each connection that was made to an address.
fn handshakes(packets: &[Packet], to: SocketAddr) -> Vec<(u64, u64)> {
    let syn = |packet: &&Packet, answer| match packet.carries {
        Carries::Segment { syn: true, ack, .. } => ack == answer,
        _ => false,
    };
    let left = packets.iter().filter(|packet| packet.out && packet.to == to && syn(packet, false));
    left.filter_map(|sent| {
        let mut came =
            packets.iter().filter(|it| !it.out && it.from == to && it.to == sent.from && it.at > sent.at);
        Some((sent.at, came.find(|it| syn(it, true))?.at))
    })
    .collect()
}

#[tokio::test]
async fn the_tcp_handshakes_leg_is_that_of_the_packets() -> anyhow::Result<()> {
    if !may_capture("the_tcp_handshakes_leg_is_that_of_the_packets") {
        return Ok(());
    }
    let lab = Fixture::start("tap-handshake").await?;
    let edge = lab.listen("lb");
    let capture = tap::Capture::start([edge].into_iter().collect(), None)?;
    let measured = measure(&lab, 10, Kind::Cold).await?;
    let packets = capture.stop()?.packets;
    let captured = handshakes(&packets, edge);
    let mut apart = Vec::new();
    for journey in measured.journeys() {
        let parts: Vec<_> = journey.parts.iter().filter(|part| part.stage == Stage::Tcp).collect();
        let (from, to) = parts.iter().fold((u64::MAX, 0), |(from, to), part| {
            let begins = journey.start_unix_ns + part.start_ns;
            (from.min(begins), to.max(begins + part.duration_ns))
        });
        let legs: Vec<_> = parts.iter().filter(|part| part.kind == PartKind::Leg).collect();
        ensure!(legs.len() == 1 && legs[0].quality == Quality::Kernel, "{}", shown(journey));
        // SYN went, and SYN-ACK came, while the browser connected.
        let mut within = captured.iter().filter(|(sent, came)| from <= *sent && *came <= to + 1_000);
        let (sent, came) = *within.next().with_context(|| shown(journey))?;
        ensure!(within.next().is_none(), "two handshakes at once\n{}", shown(journey));
        // The kernel's figure begins before SYN is on the interface and ends after SYN-ACK is; it counts microseconds.
        let (leg, packets) = (legs[0].duration_ns, came - sent);
        ensure!(leg + 1_000 >= packets, "{leg} ns, by packets {packets} ns\n{}", shown(journey));
        apart.push((leg.saturating_sub(packets), to - from - leg));
    }
    // The usual one: the kernel's figure is nearer to the packets than the whole of connecting is.
    apart.sort_unstable();
    let (disagreement, rest) = apart[apart.len() / 2];
    ensure!(
        disagreement < rest,
        "{disagreement} ns from the packets, {rest} ns beside the round trip: {apart:?}"
    );
    // The twin: a capture without the answers finds no handshake.
    let unanswered: Vec<Packet> = packets.iter().filter(|packet| packet.from != edge).copied().collect();
    ensure!(handshakes(&unanswered, edge).is_empty(), "a SYN alone is no handshake");
    lab.finish().await;
    Ok(())
}

#[tokio::test]
async fn a_hop_that_lies_is_called_out_by_name() -> anyhow::Result<()> {
    if !may_capture("a_hop_that_lies_is_called_out_by_name") {
        return Ok(());
    }
    for (name, hop, shift) in [("tap-late", "ingress", 5_000_000_i64), ("tap-early", "redis", -5_000_000)] {
        let liar = Liar::start(shift).await?;
        let slot = TestSlot::take(name).await?;
        // What it did is to pass through the liar's hands, too, and not to be asked for.
        let endpoint = format!("OTEL_EXPORTER_OTLP_ENDPOINT = \"http://{}\"", liar.address);
        let env = format!("{{ {endpoint}, FLIGHT_RECORDER = \"0\" }}");
        let options = slot.options().set(&format!("hop.{hop}.env"), env);
        let lab = slot.start(options).await?;
        liar.to.set(lab.collector().clone()).ok().context("set once")?;
        let (measured, tap) = tapped(&lab, 6, Kind::Both, packets::Options::default()).await?;
        for journey in measured.journeys() {
            ensure!(journey.sealed(), "the liar speaks: {:?}", journey.silent);
        }
        ensure!(accused(&tap) == BTreeSet::from([hop]), "{:?}", tap.misreporting().collect::<Vec<_>>());
        for compared in tap.compared() {
            let line = compared.hops.iter().find(|line| line.hop == hop).context("it took part")?;
            ensure!(line.impossible >= 6, "each journey shows it: {line:?}");
            for other in compared.hops.iter().filter(|line| line.hop != hop) {
                ensure!(other.impossible == 0 && other.misreports.is_none(), "{other:?}");
            }
        }
        let table = lab::report::table(&measured, lab::report::Style::parts());
        ensure!(table.contains(&format!("! {hop} misreports: ")), "{table}");
        lab.finish().await;
    }
    Ok(())
}

/// Takes reports (OTLP) and hands them to a collector, every time in them moved.
struct Liar {
    address: std::net::SocketAddr,
    to: Arc<OnceLock<Collector>>,
}

impl Liar {
    async fn start(shift: i64) -> anyhow::Result<Liar> {
        let listener = hop::listen::tcp(hop::listen::own_loopback())?;
        let address = listener.local_addr()?;
        let to: Arc<OnceLock<Collector>> = Arc::default();
        let collector = Arc::clone(&to);
        let hop = Hop::for_tests("liar", Telemetry::off(), CancellationToken::new());
        let server = Server::new(&hop, Limits::default(), move |request| {
            let collector = Arc::clone(&collector);
            async move {
                let body = request.into_body().collect().await.map(|body| body.to_bytes());
                let moved = |at: u64| at.saturating_add_signed(shift);
                let mut spans = hop::otlp::decode(&body.unwrap_or_default()).unwrap_or_default();
                for span in &mut spans {
                    (span.start, span.end) = (moved(span.start), moved(span.end));
                    span.stamps.iter_mut().for_each(|stamp| stamp.at = moved(stamp.at));
                }
                if let Some(collector) = collector.get() {
                    collector.insert(spans);
                }
                hop::http::text(StatusCode::OK, "")
            }
        });
        tokio::spawn(async move {
            let serve = |stream: Stamped, stop: CancellationToken| {
                let stamps = stream.stamps();
                server.clone().serve(stream, Protocol::Http1, stamps, stop)
            };
            hop::accept::run(listener, 64, &hop.shutdown, hop.drain, serve).await;
        });
        Ok(Liar { address, to })
    }
}

/// Real programs that report nothing in six slots, three of them in a row.
#[tokio::test]
async fn programs_that_report_nothing_get_their_time_from_packets() -> anyhow::Result<()> {
    if !may_capture("programs_that_report_nothing_get_their_time_from_packets") {
        return Ok(());
    }
    let recipes = [
        ("resolver", "unbound"),
        ("myshop", "nsd"),
        ("lb", "haproxy"),
        ("ingress", "nginx"),
        ("cart-service", "haproxy"),
        ("redis", "redis-server"),
    ];
    let slot = TestSlot::take("tap-opaque").await?;
    let options = recipes.iter().fold(slot.options(), |options, (who, recipe)| options.swap(who, recipe));
    let lab = slot.start(options).await?;
    measure(&lab, 1, Kind::Both).await?;
    for _ in 0..5 {
        // One journey of each kind: then a median is a journey's own.
        let (measured, tap) = tapped(&lab, 1, Kind::Both, packets::Options::default()).await?;
        for (series, compared) in [(&measured.cold, &tap.cold), (&measured.warm, &tap.warm)] {
            let journey = series.as_ref().and_then(|series| series.journeys.first()).context("a journey")?;
            let compared = compared.as_ref().context("compared")?;
            apart(journey, compared, &recipes.map(|(who, _)| who))
                .with_context(|| format!("{}\n{compared:?}", shown(journey)))?;
        }
        ensure!(accused(&tap).is_empty(), "{:?}", tap.misreporting().collect::<Vec<_>>());
    }
    lab.finish().await;
    Ok(())
}

/// Each of them has a time of its own, and together no more than what their neighbours leave over: that
/// holds every wake-up and system call in between, too.
fn apart(journey: &Journey, compared: &Compared, opaque: &[&str]) -> anyhow::Result<()> {
    let mut by_packets = 0;
    for hop in opaque {
        let Some(line) = compared.hops.iter().find(|line| line.hop == *hop) else {
            // A warm journey asks for no name.
            ensure!(
                ["resolver", "myshop"].contains(hop) && journey.counts.dns_queries == 0,
                "{hop} is missing"
            );
            continue;
        };
        ensure!(line.opaque && line.inside_ns.is_none() && line.stamps == 0, "{line:?}");
        let tap = line.tap_ns.with_context(|| format!("no packets for {hop}"))?;
        ensure!(tap > 0, "{line:?}");
        by_packets += tap;
    }
    let inferred = journey.sum(|part| part.kind == PartKind::Opaque);
    ensure!(by_packets <= inferred, "{by_packets} ns by packets, {inferred} ns inferred");
    let redis = compared.hops.iter().find(|line| line.hop == "redis").and_then(|line| line.tap_ns);
    ensure!(
        redis <= Some(journey.own("redis")),
        "redis: {redis:?} by packets, {} inferred",
        journey.own("redis")
    );
    let reporting = compared.hops.iter().filter(|line| !opaque.contains(&line.hop.as_str()));
    for line in reporting {
        ensure!(!line.opaque && line.unseen == 0, "{line:?}");
    }
    Ok(())
}

/// The file opens in Wireshark, and with the keys it shows what was asked.
#[tokio::test]
async fn wireshark_reads_the_file_and_with_the_keys_the_request() -> anyhow::Result<()> {
    if !may_capture("wireshark_reads_the_file_and_with_the_keys_the_request") {
        return Ok(());
    }
    let slot = TestSlot::take("tap-file").await?;
    let (file, keys) = (slot.path("journey.pcap"), slot.path("journey.keys"));
    let port = slot.port(8443);
    let options = slot.options();
    let lab = slot.start(options).await?;
    let wanted = packets::Options { pcap: Some(file.clone()), keys: Some(keys.clone()) };
    tapped(&lab, 1, Kind::Cold, wanted).await?;
    for path in [&file, &keys] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
        ensure!(mode == 0o600, "{} is open to others: {mode:o}", path.display());
    }
    let file = file.to_string_lossy().into_owned();
    let read = async |preference: &str, show: &str, field: &str| {
        let tls = format!("tcp.port=={port},tls");
        let arguments = ["-r", &file, "-d", &tls, "-o", preference, "-Y", show, "-T", "fields", "-e", field];
        programs::output("tshark", arguments).await
    };
    let with_keys = format!("tls.keylog_file:{}", keys.display());
    let path = "http2.headers.path";
    let paths = read(&with_keys, "http2.headers.method == \"POST\"", path).await?;
    ensure!(paths.trim() == "/cart/items", "decrypted: {paths:?}");
    // The twin: without the keys nothing of it can be read.
    let paths = read("tls.keylog_file:", "http2.headers.method == \"POST\"", path).await?;
    ensure!(paths.trim().is_empty(), "not encrypted: {paths:?}");
    // Each packet once: if both halves were there, every other one would look as if it were sent again.
    // On a busy machine a few really are (RFC 8985 §7).
    let all = read(&with_keys, "tcp.len > 0", "frame.number").await?.lines().count();
    let again = read(&with_keys, "tcp.analysis.retransmission", "frame.number").await?.lines().count();
    ensure!(all > 20 && again * 5 < all, "{again} of {all} were sent again");
    let names = read(&with_keys, "dns.flags.response == 0", "dns.qry.name").await?;
    ensure!(names.lines().any(|name| name == "api.myshop.com"), "{names}");
    lab.finish().await;
    Ok(())
}

/// Without the privilege: an error that says what to do, before anything is started.
#[tokio::test]
async fn without_the_privilege_it_says_what_to_do() -> anyhow::Result<()> {
    let lab = program::path().await?;
    for (arguments, code) in
        [(&["measure", "--tap", "--set", "lab.name=tap-forbidden"][..], 3), (&["doctor"], 0)]
    {
        let mut command = tokio::process::Command::new("setpriv");
        if tap::allowed().is_ok() {
            command.args(["--bounding-set=-net_raw", "--inh-caps=-net_raw"]);
        }
        command.arg(lab).args(arguments).stdin(Stdio::null()).current_dir(program::root()?);
        let said = command.output().await.context("run setpriv, of util-linux")?;
        let text = [said.stdout, said.stderr].concat();
        let text = program::unbroken(&String::from_utf8_lossy(&text));
        // A doctor may find something else that is not well; the tap is only a warning.
        ensure!(said.status.code() == Some(code) || code == 0, "{:?}: {text}", said.status);
        for words in ["CAP_NET_RAW", "sudo setcap cap_net_raw+ep ", "or run it as root"] {
            ensure!(text.contains(words), "{arguments:?} does not say {words:?}: {text}");
        }
        ensure!(code == 0 || !text.contains("ready"), "nothing was started: {text}");
    }
    Ok(())
}
