//! A wrong program in a slot is told what is wrong: which hop, what it was asked, what it answered, where its log is,
//! what to do. And whatever it starts, nothing of it is left.

use std::time::Duration;

use super::orphans::DEATH;
use super::process::running_with;
use super::program::{self, Background, LIMIT};
use super::spot::Spot;
use super::starting::fails;

/// Time to start Python on a machine with much else to do; who is never ready takes all of it.
const READY: &str = "supervise.ready_seconds=5.0";

/// A program that plays its role wrongly in this manner.
fn wrong(manner: &str) -> String {
    let script = tests::program::root().expect("the workspace").join("tests/foreign/wrong.py");
    format!("python3 {} {manner}", script.display())
}

/// Who has the lab's folder in its environment, whatever else it did to get away.
fn left_of(spot: &Spot) -> Vec<(u32, String)> {
    running_with(&format!("ADMIN_SECRET_FILE={}", spot.run_folder().join("secret").display()))
}

/// Waits until nothing of this lab runs any more.
async fn is_gone(spot: &Spot) {
    let gone = hop::wait::until("everything to end with its lab", DEATH, async || {
        left_of(spot).is_empty().then_some(())
    });
    gone.await.unwrap_or_else(|error| panic!("{error}: {:?}", left_of(spot)));
}

/// `lab --once` with a wrong program ends with 3, leaves nothing, and says all of this.
async fn told(name: &'static str, cases: &[(&str, &str, &[&str])]) {
    let spot = Spot::take(name).await;
    for (hop, manner, says) in cases {
        let swap = format!("{hop}={}", wrong(manner));
        let ended = fails(&spot, &["--set", READY, "--swap", &swap]).await;
        let log = format!("logs/{hop}.log");
        ended
            .says(&[&format!("{hop}: "), "in its slot runs: python3 ", &format!("| I am {manner}"), &log])
            .says(&["what to do: ", "docs/contract.md ("])
            .says(says);
        is_gone(&spot).await;
    }
    spot.leave();
}

#[tokio::test]
async fn who_answers_garbage_is_quoted() {
    told(
        "garbage-answers",
        &[
            ("redis", "garbage", &["probe: PING at", "\"HELLO stranger\\r\\n", "which is no RESP", "+PONG"]),
            ("kafka", "garbage", &["probe: ApiVersions at", "\"HELLO stranger", "no response of Kafka"]),
            (
                "root",
                "garbage",
                &["the SOA record of \".\" at", "\"HELLO stranger", "no response of DNS", "AA=1"],
            ),
            (
                "lb",
                "garbage",
                &["GET /healthz over TLS at", "\"HELLO stranger", "which is no TLS", "TLS_CERT"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn who_refuses_or_says_nothing_is_told_so() {
    let silent = "nothing within 2s, though it accepted the connection";
    told(
        "silent-programs",
        &[
            ("redis", "no-login", &["-NOAUTH Authentication required.", "without a password"]),
            ("resolver", "refuses", &["probe: the SOA record of \".\"", "answered: REFUSED", "ROOTS"]),
            ("myshop", "refuses", &["the SOA record of \"myshop.com.\"", "answered: REFUSED"]),
            ("inventory-pod-jkl78", "accepts", &["probe: GET /healthz at", silent]),
            (
                "cart-pod-def34",
                "broken",
                &["answered: 500 Internal Server Error: \"Traceback\"", "below 500"],
            ),
            ("ingress", "not-found", &["answered: 404 Not Found: \"nothing here\"", "status 200"]),
        ],
    )
    .await;
}

/// Ready, and wrong all the same: the first journey fails, and the hop is found at which it does.
#[tokio::test]
async fn who_is_ready_and_fails_the_first_journey_is_found() {
    let spot = Spot::take("fails-at-pods").await;
    for (hop, manner, says) in [
        (
            "cart-service",
            "garbage",
            &[
                "measure a journey: POST /cart/items was answered 502",
                "it failed at cart-service",
                "probe: GET /cart at",
                "\"HELLO stranger",
                "let it pass each connection on to one of ENDPOINTS",
            ][..],
        ),
        (
            "inventory-service",
            "accepts",
            &["it failed at inventory-service", "probe: GET /stock/PROD-123 at", "nothing within 2s"],
        ),
        // All pods alike: one in full, the others in a line.
        (
            "cart",
            "not-found",
            &[
                "it failed at cart-pod-abc12",
                "probe: GET /cart at",
                "404 Not Found: \"nothing here\"",
                "and so does cart-pod-def34: ",
                "and so does cart-pod-ghi56: ",
            ],
        ),
        // What changes nothing works: then the very request that failed is sent.
        (
            "cart",
            "reads-only",
            &["it failed at cart-pod-abc12", "probe: POST /cart/items at", "500 Internal"],
        ),
        ("inventory", "not-found", &["it failed at inventory-pod-jkl78", "probe: GET /stock/PROD-123 at"]),
    ] {
        let swap = format!("{hop}={}", wrong(manner));
        fails(&spot, &["--swap", &swap]).await.says(says).says(&[
            "what to do: let it ",
            "| I am ",
            "docs/contract.md (",
        ]);
        is_gone(&spot).await;
    }
    // Whoever measures is told the same.
    let swap = format!("cart={}", wrong("not-found"));
    let measured = program::lab(spot.arguments(["measure", "--swap", &swap])).await.code(3);
    measured.says(&["it failed at cart-pod-abc12", "404 Not Found: \"nothing here\""]);
    is_gone(&spot).await;
    spot.leave();
}

#[tokio::test]
async fn the_lab_stays_up_after_a_failed_first_journey() {
    let spot = Spot::take("stays-up").await;
    let swap = format!("cart={}", wrong("not-found"));
    let mut lab = Background::start(spot.folder(), &spot.arguments(["--swap", &swap])).await;
    lab.until_it_says("the lab stays up").await;
    lab.until_it_says("waiting for requests").await;
    for words in ["! measure a journey: POST /cart/items was answered 404", "it failed at cart-pod-abc12"] {
        lab.until_it_says(words).await;
    }
    let status = program::lab(spot.arguments(["status"])).await.code(0).stdout;
    assert!(status.contains("cart-pod-abc12"), "{status}");
    let curl = program::lab(spot.arguments(["curl", "-s", "/cart"])).await;
    assert!(curl.stdout.contains("nothing here"), "{curl:?}");
    lab.process.signal("INT");
    lab.ended().await.code(0);
    is_gone(&spot).await;
    spot.leave();
}

#[tokio::test]
async fn who_listens_elsewhere_is_told_where() {
    let spot = Spot::take("listens-astray").await;
    let listen = spot.plan().find("kafka").expect("kafka").listen;
    let swap = format!("kafka={}", wrong("astray"));
    let ended = fails(&spot, &["--set", READY, "--swap", &swap]).await;
    let there = std::net::SocketAddr::new(listen.ip(), listen.port() + 7);
    ended.says(&[
        "accepts no connection (connection refused)",
        &format!("it listens on {there}"),
        &format!("let it listen on LISTEN ({listen})"),
    ]);
    spot.leave();
}

#[tokio::test]
async fn who_writes_without_end_is_told_by_its_last_lines() {
    let spot = Spot::take("flood").await;
    let ended = fails(&spot, &["--swap", &format!("redis={}", wrong("flood"))]).await;
    ended.says(&["redis: exit status: 1", "| noise 29999", "| and that was all"]);
    spot.leave();
}

#[tokio::test]
async fn who_goes_into_the_background_is_named_and_ended() {
    let spot = Spot::take("background").await;
    let ended = fails(&spot, &["--swap", &format!("redis={}", wrong("background"))]).await;
    let listen = spot.plan().find("redis").expect("redis").listen;
    ended.says(&["redis: went into the background", "exit status: 0", "it left pid ", "wrong.py background"]);
    is_gone(&spot).await;
    // A real one, whose title is all that it leaves of its environment.
    if lab::programs::find("redis-server").is_none() {
        assert!(std::env::var_os("CI").is_none(), "redis-server is not installed");
        eprintln!("NOT TESTED: redis-server is not installed");
    } else {
        let daemon =
            "redis=/usr/bin/env redis-server --bind {IP} --port {PORT} --dir {DATA_DIR} --daemonize yes";
        let ended = fails(&spot, &["--swap", daemon]).await;
        ended.says(&[
            "redis: went into the background",
            "run it in the foreground: redis-server --daemonize no",
            "it left pid ",
            "redis-server",
        ]);
        assert!(std::net::TcpListener::bind(listen).is_ok(), "it is ended");
        is_gone(&spot).await;
    }
    spot.leave();
}

/// The lab with a program that leaves a process behind whenever it is started.
async fn with_a_leftover(spot: &Spot) -> (Background, u32) {
    let child = "sh -c \"setsid sh -c \\\"echo \\\\$\\\\$ > {DATA_DIR}/child; exec sleep 1000\\\" &\"";
    let store = lab::binaries::Binaries::ensure(&[lab::plan::Role::Store].into_iter().collect(), false).await;
    let store = store.expect("the store is built").path(lab::plan::Role::Store);
    let script = super::spot::shell(&format!("{child}; exec {}", store.display()));
    let mut lab =
        Background::start(spot.folder(), &spot.arguments(["--swap", &format!("redis={script}")])).await;
    let file = spot.run_folder().join("data/redis-swapped/child");
    let pid = hop::wait::until("the process that is left behind", LIMIT, async || {
        std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()
    });
    let pid = pid.await.unwrap_or_else(|error| panic!("{error}\n{}", lab.stderr()));
    lab.until_it_says("waiting for requests").await;
    (lab, pid)
}

#[tokio::test]
async fn who_leaves_its_group_is_named_and_ends_with_the_lab() {
    let spot = Spot::take("leaves-its-group").await;
    let (mut lab, pid) = with_a_leftover(&spot).await;
    let named = format!("redis has left a process to itself: pid {pid} (sleep 1000)");
    lab.until_it_says(&named).await;
    let status = program::lab(spot.arguments(["status"])).await.code(0).stdout;
    assert!(status.contains(&format!("pid {pid} (sleep 1000)")), "{status}");
    lab.process.signal("INT");
    let ended = lab.ended().await.code(0);
    assert_eq!(ended.stderr.matches("has left a process").count(), 1, "told once: {}", ended.stderr);
    // The lab ends after all that it started.
    assert_eq!(left_of(&spot), []);
    spot.leave();
}

#[tokio::test]
async fn a_killed_lab_takes_with_it_who_left_its_group() {
    let spot = Spot::take("killed-leftover").await;
    let (lab, pid) = with_a_leftover(&spot).await;
    assert!(left_of(&spot).iter().any(|(left, _)| *left == pid), "it runs");
    lab.process.signal("KILL");
    is_gone(&spot).await;
    drop(lab);
    spot.leave();
}

#[tokio::test]
async fn ctrl_c_during_a_start_leaves_nothing_of_a_daemon() {
    let spot = Spot::take("early-daemon").await;
    // It is never ready, and has a child in a session of its own.
    let script = "redis=python3 -c \"import os,time; os.fork() or os.setsid(); time.sleep(1000)\"";
    let lab = Background::start(
        spot.folder(),
        &spot.arguments(["--swap", script, "--set", "supervise.ready_seconds=60.0"]),
    )
    .await;
    let both = hop::wait::until("both processes", LIMIT, async || {
        let of_redis = left_of(&spot).into_iter().filter(|(_, command)| command.contains("os.setsid"));
        (of_redis.count() == 2).then_some(())
    });
    both.await.unwrap_or_else(|error| panic!("{error}\n{}", lab.stderr()));
    lab.process.signal("INT");
    // The second time means now.
    let _ = hop::wait::until("the first to be heard", Duration::from_secs(10), async || {
        lab.stderr().contains("Ctrl-C").then_some(())
    })
    .await;
    lab.ended().await.code(130);
    is_gone(&spot).await;
    spot.leave();
}
