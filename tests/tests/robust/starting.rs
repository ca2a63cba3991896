//! What cannot start says why: which program, whose fault, its last words. Nothing is left behind.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use super::process::{Process, taken};
use super::program::{self, Background, Ended, LIMIT};
use super::spot::{Spot, shell};

/// Runs `lab --once` with more options and expects it to fail with code 3, leaving nothing.
pub(crate) async fn fails(spot: &Spot, options: &[&str]) -> Ended {
    let arguments =
        spot.arguments(["--once"]).into_iter().chain(options.iter().map(|option| (*option).to_owned()));
    let ended = program::lab(arguments).await.code(3);
    eprintln!("--- {options:?}\n{}", ended.stderr);
    assert_eq!(ended.stdout, "", "no result, so nothing on stdout");
    // Every child was waited for, or died with the lab: its ports are free by the time it takes to look.
    let free = hop::wait::until("every port to be free again", LIMIT, async || {
        taken(&spot.plan()).is_empty().then_some(())
    });
    free.await.unwrap_or_else(|error| panic!("{error}: {:?}", taken(&spot.plan())));
    ended
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_holder() {
    let spot = Spot::take("taken-port").await;
    let plan = spot.plan();
    let (lb, root) = (plan.find("lb").expect("the lb"), plan.find("root").expect("the root server"));
    let admin = plan.find("redis").and_then(|redis| redis.admin).expect("an admin address");
    let held = (
        TcpListener::bind(lb.listen).expect("bind the lb's port"),
        UdpSocket::bind(root.listen).expect("bind the root server's port"),
        TcpListener::bind(admin).expect("bind an admin port"),
    );
    let mut ended = program::lab(spot.arguments(["--once"])).await.code(3);
    eprintln!("{}", ended.stderr);
    for (key, address, protocol) in [
        ("hop.lb.listen", lb.listen, "tcp"),
        ("hop.root.listen", root.listen, "udp"),
        ("hop.redis.admin", admin, "tcp"),
    ] {
        ended = ended.says(&[&format!("{key} = {address}: taken ({protocol}), by robust-")]);
    }
    let pid = format!("(pid {})", std::process::id());
    ended = ended.says(&[&pid]);
    assert_eq!(ended.stdout, "");
    ended.says(&["what to do", "network.port_offset"]);
    drop(held);
    assert_eq!(taken(&plan), Vec::<String>::new(), "something was started");
    spot.leave();
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named() {
    let spot = Spot::take("no-command").await;
    let program = "/nowhere/redis-server";
    let ended = fails(&spot, &["--swap", &format!("redis={program} --port {{PORT}}")]).await;
    ended.says(&["redis: could not be started", program, "there is no such program"]);
    let file = spot.folder().join("no-program");
    std::fs::write(&file, "text").expect("write a file");
    let ended = fails(&spot, &["--swap", &format!("redis={}", file.display())]).await;
    ended.says(&["redis: could not be started", "not executable", "chmod +x"]);
    spot.leave();
}

#[tokio::test]
async fn who_dies_at_once_leaves_its_last_words_and_no_children() {
    let spot = Spot::take("dies-at-once").await;
    // It also starts a child of its own, which must not stay.
    let script =
        shell("echo first words; echo last words >&2; sleep 600 & echo $! > {DATA_DIR}/child; exit 7");
    let ended = fails(&spot, &["--swap", &format!("redis={script}")]).await;
    let log = spot.run_folder().join("logs/redis.log");
    assert!(std::fs::read_to_string(&log).expect("its log is kept").contains("first words"));
    ended.says(&["redis: exit status: 7", "| first words", "| last words", "logs/redis.log", "docs/"]);
    let child = std::fs::read_to_string(spot.run_folder().join("data/redis-swapped/child")).expect("it ran");
    let child: u32 = child.trim().parse().expect("a pid");
    let gone = hop::wait::until("its child to be gone", LIMIT, async || {
        let command = std::fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        (!command.starts_with(b"sleep")).then_some(())
    });
    gone.await.expect("nothing outlives the lab");
    spot.leave();
}

#[tokio::test]
async fn who_is_never_ready_is_killed_and_told_what_was_awaited() {
    let spot = Spot::take("never-ready").await;
    let script = shell("echo I am up; exec sleep 600");
    let limit = ["--set", "supervise.ready_seconds=1.0"];
    let ended = fails(&spot, &["--swap", &format!("redis={script}"), limit[0], limit[1]]).await;
    let listen = spot.plan().find("redis").expect("redis").listen.to_string();
    ended.says(&["redis: was not ready within 1s", "killed", &listen, "| I am up", "logs/redis.log"]);
    spot.leave();
}

#[tokio::test]
async fn a_missing_program_of_the_labs_own_is_named() {
    let spot = Spot::take("no-program").await;
    // A lab alone in a folder: the hops are not beside it.
    let alone = spot.folder().join("lab-alone");
    let program = tests::program::path().await.expect("build the lab");
    std::fs::copy(program, &alone).expect("copy the lab");
    let mut command = tests::program::without_cargo(tokio::process::Command::new(&alone));
    command.args(spot.arguments(["--once"])).kill_on_drop(true);
    let ended = program::end(command).await.code(3);
    let hop = spot.folder().join("resolver");
    let missing = ended.stderr.contains("there is no program") && ended.stderr.contains("what to do");
    assert!(missing && !hop.exists(), "{}", ended.stderr);
    assert_eq!(taken(&spot.plan()), Vec::<String>::new(), "something was started");
    spot.leave();
}

#[tokio::test]
async fn a_lab_that_is_killed_while_it_starts_leaves_nothing() {
    let spot = Spot::take("killed-early").await;
    let script = shell("echo $$ > {DATA_DIR}/pid; exec sleep 600");
    // Redis is of the first wave and never ready: the lab hangs in the middle of its start.
    let arguments =
        spot.arguments(["--swap", &format!("redis={script}"), "--set", "supervise.ready_seconds=60.0"]);
    let lab = Background::start(spot.folder(), &arguments).await;
    let file = spot.run_folder().join("data/redis-swapped/pid");
    let pid = hop::wait::until("redis to be started", LIMIT, async || {
        std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()
    });
    let pid = pid.await.unwrap_or_else(|error| panic!("{error}\n{}", lab.stderr()));
    let redis = Process::of(pid, "redis").expect("redis runs");
    lab.process.signal("KILL");
    hop::wait::until("redis to end with its lab", Duration::from_secs(10), async || {
        (!redis.lives()).then_some(())
    })
    .await
    .expect("nothing outlives the lab");
    hop::wait::until("every port to be free", LIMIT, async || taken(&spot.plan()).is_empty().then_some(()))
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", taken(&spot.plan())));
    drop(lab);
    spot.leave();
}
