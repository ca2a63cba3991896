//! `lab --net real`: the chapter's addresses and ports, each host in a network namespace of its own; this machine's own
//! network, resolver and trust stores stay as they are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use super::orphans::DEATH;
use super::process::running_with;
use super::program::{self, Background, Ended};
use super::spot::Spot;

/// When the stack is up and the first two journeys are shown.
const UP: &str = "waiting for requests";
/// What only whoever changes the machine's own network would change.
const MACHINE: [&str; 4] =
    ["/etc/resolv.conf", "/etc/hosts", "/proc/net/route", "/etc/ssl/certs/ca-certificates.crt"];

/// The machine's files, and the names of its links.
fn machine() -> Vec<String> {
    let links = fs::read_to_string("/proc/net/dev").expect("the links");
    let names = links.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned());
    let files = MACHINE.map(|file| fs::read_to_string(file).unwrap_or_default());
    names.chain(files).collect()
}

async fn up(spot: &Spot) -> Background {
    let arguments = spot.arguments(["--net", "real"]);
    let mut lab = Background::start(spot.folder(), &arguments).await;
    lab.until_it_says(UP).await;
    lab
}

async fn on(spot: &Spot, words: &[&str]) -> Ended {
    program::lab(spot.arguments(words.iter().copied())).await
}

fn json(ended: Ended) -> Value {
    serde_json::from_str(&ended.code(0).stdout).expect("stdout is JSON")
}

#[tokio::test]
async fn every_program_is_where_the_chapter_has_it_and_the_machine_stays_as_it_is() {
    let spot = Spot::take("real-network").await;
    let before = machine();
    let lab = up(&spot).await;
    let run = spot.running().expect("run.json");
    assert_eq!(run.hosts["node"].addresses.len(), 3, "the ingress and two Services share the node");

    let status = json(on(&spot, &["status", "--json"]).await);
    let listen = |hop: &str| {
        let hops = status["hops"].as_array().expect("hops");
        hops.iter().find(|one| one["name"] == hop).map(|one| one["listen"].clone()).expect("the hop")
    };
    for (hop, address) in [
        ("resolver", "198.51.100.53:53"),
        ("lb", "203.0.113.50:443"),
        ("ingress", "10.0.1.100:80"),
        ("cart-service", "10.96.50.100:80"),
        ("cart-pod-def34", "10.244.2.23:8080"),
        ("redis", "10.96.50.110:6379"),
    ] {
        assert_eq!(listen(hop), address);
    }

    // Journeys are as on loopback: every hop reports, nothing is asked twice, the parts add up.
    let measured = json(on(&spot, &["measure", "-n", "3", "--format", "json"]).await);
    assert_eq!(measured["network"], "real");
    for (kind, queries) in [("cold", 4), ("warm", 0)] {
        let journeys = measured[kind]["journeys"].as_array().expect("journeys");
        assert_eq!(journeys.len(), 3, "{measured:#}");
        for journey in journeys {
            assert_eq!(journey["counts"]["dns_queries"], queries, "{kind}");
            let parts = journey["parts"].as_array().expect("parts");
            let sum: u64 = parts.iter().filter_map(|part| part["duration_ns"].as_u64()).sum();
            let unaccounted = journey["unaccounted_ns"].as_u64().expect("a number");
            assert_eq!(journey["total_ns"], sum + unaccounted, "{journey:#}");
            assert!(parts.iter().any(|part| part["hop"] == "ingress"), "{journey:#}");
        }
    }

    the_users_host(&spot).await;
    assert_eq!(machine(), before, "the lab has changed this machine");

    // Nothing is left of a lab that is killed: no process, no namespace.
    lab.process.signal("KILL");
    lab.ended().await;
    let secret = format!("ADMIN_SECRET_FILE={}", spot.run_folder().join("secret").display());
    let gone = hop::wait::until("everything to end with its lab", DEATH, async || {
        running_with(&secret).is_empty().then_some(())
    });
    gone.await.expect("nothing is left");
    assert!(!run.hosts["node"].namespace.exists());
    spot.leave();
}

/// Unmodified programs work on the user's host as they would on the internet, and reach nobody outside.
async fn the_users_host(spot: &Spot) {
    let shell = async |words: &[&str]| on(spot, &[&["shell", "--"], words].concat()).await;
    let cart = shell(&[
        "curl",
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{remote_ip}",
        "https://api.myshop.com/cart",
    ]);
    assert_eq!(cart.await.code(0).stdout, "401 203.0.113.50");
    let dig = shell(&["dig", "+short", "api.myshop.com"]).await.code(0);
    assert_eq!(dig.stdout.trim(), "203.0.113.50");
    let resolver = shell(&["cat", "/etc/resolv.conf"]).await.code(0);
    assert_eq!(resolver.stdout, "nameserver 198.51.100.53\n");
    // curl's 7: no connection. There is no route to it, so that takes no time.
    let outside = shell(&["curl", "-s", "-m", "5", "http://192.0.2.77/"]).await;
    assert_eq!(outside.code, Some(7), "{outside:?}");
    let node = on(spot, &["shell", "--in", "lb", "--", "curl", "-s", "http://10.0.1.100/"]).await.code(0);
    assert!(node.stdout.contains("\"hop\":\"ingress\""), "{node:?}");
    let curl = on(spot, &["curl", "-s", "-w", "%{http_code}", "-o", "/dev/null", "/cart"]).await.code(0);
    assert_eq!(curl.stdout, "200");
    assert!(!on(spot, &["events"]).await.code(0).stdout.is_empty());
    let typo = on(spot, &["shell", "--in", "nobody", "--", "true"]).await.code(2);
    typo.says(&["no host \"nobody\"", "browser", "node"]);
    let tap = on(spot, &["measure", "--tap"]).await.code(3);
    tap.says(&["captured on loopback alone", "what to do"]);
}

#[tokio::test]
async fn a_shell_needs_a_lab_with_hosts() {
    let spot = Spot::take("real-shell").await;
    on(&spot, &["shell", "--", "true"]).await.code(3).says(&["does not run", "lab --net real"]);
    let mut lab = Background::start(spot.folder(), &spot.arguments::<&str>([])).await;
    lab.until_it_says(UP).await;
    on(&spot, &["shell", "--", "true"]).await.code(3).says(&["runs on loopback", "lab --net real"]);
    on(&spot, &["stop"]).await.code(0);
    lab.ended().await.code(0);
    on(&spot, &["--net", "moon", "--once"]).await.code(2).says(&["`moon`", "loopback, real"]);
    let doctor = on(&spot, &["--net", "real", "doctor"]).await.code(0);
    assert!(doctor.stdout.contains("each host has its own"), "{doctor:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let control = format!("network.control=\"{}\"", taken.local_addr().expect("its address"));
    on(&spot, &["--net", "real", "--set", &control, "--once"])
        .await
        .code(3)
        .says(&["the port is taken", "ss -ltnup"]);
    let no_address =
        ["--net", "real", "--set", "hop.x={ role = \"store\", listen = \"127.0.0.9:7000\" }", "--once"];
    on(&spot, &no_address).await.code(2).says(&["hop.x.real", "add real ="]);
    let external = ["--net", "real", "--set", "hop.redis.external=\"redis://127.0.0.1:6379\"", "--once"];
    on(&spot, &external).await.code(2).says(&["hop.redis.external", "own network"]);
    spot.leave();
}

/// Each run is a start of its own, in a network of its own.
#[tokio::test]
async fn it_can_be_checked_in_several_runs() {
    let spot = Spot::take("real-check").await;
    let checked = on(&spot, &["--net", "real", "check", "--runs", "2", "-n", "6", "--json"]).await;
    let report = serde_json::from_str::<Value>(&checked.stdout);
    let report = report.unwrap_or_else(|error| panic!("{error}: {checked:?}"));
    assert_eq!(report["runs"], 2, "{checked:?}");
    spot.leave();
}

/// Real programs need not know in which network they are.
#[tokio::test]
async fn recipes_work_in_it_unchanged() {
    let spot = Spot::take("real-recipes").await;
    for swap in [
        "ingress=nginx",
        "lb=haproxy",
        "resolver=unbound",
        "dns=nsd",
        "store=redis-server",
        "clusterip=haproxy",
    ] {
        let ended = on(&spot, &["--net", "real", "--swap", swap, "--once", "--json"]).await;
        let measured = json(ended);
        for kind in ["cold", "warm"] {
            let journeys = measured[kind]["journeys"].as_array().expect("journeys");
            assert!(journeys.len() == 1, "{swap}: {measured:#}");
        }
    }
    spot.leave();
}

/// No privilege is needed. Where the tests run as root, this one gives it up.
#[tokio::test]
async fn an_ordinary_user_has_it_too() {
    const NOBODY: u32 = 65_534;
    let spot = Spot::take("real-nobody").await;
    let lab = tests::program::path().await.expect("build the lab");
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("open the folder");
    let programs = copied(lab, folder.path());
    let at = |name: &str| format!("\"{}\"", folder.path().join(name).display());
    let mut command = match is_root() {
        true => {
            let mut command = Command::new("setpriv");
            let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".to_owned()];
            command.args(ids).arg(&programs);
            command
        }
        false => Command::new(&programs),
    };
    command.current_dir(folder.path()).env("HOME", folder.path());
    command.args(spot.arguments(["--net", "real", "--once", "--json"]));
    command.args([
        "--set",
        &format!("lab.state={}", at("state")),
        "--set",
        &format!("lab.certs={}", at("certs")),
    ]);
    let measured = json(program::end(command).await);
    assert_eq!(measured["network"], "real");
    spot.leave();
}

/// The programs where everybody may start them.
fn copied(lab: &Path, to: &Path) -> PathBuf {
    let from = lab.parent().expect("a folder");
    let names =
        ["lab", "resolver", "dns", "lb", "ingress", "clusterip", "cart", "inventory", "store", "events"];
    for name in names {
        fs::hard_link(from.join(name), to.join(name))
            .or_else(|_| fs::copy(from.join(name), to.join(name)).map(drop))
            .expect("copy a program");
    }
    to.join("lab")
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("this process");
    let uids = status.lines().find(|line| line.starts_with("Uid:")).expect("its user");
    uids.split_whitespace().nth(2) == Some("0")
}
