#[path = "../../../../../tests/src/small_disk.rs"]
mod small_disk;

use std::net::TcpListener;
use std::time::Duration;

use super::*;
use crate::probe::Probe;

/// A program for tests: `sh -c script`, ready when `listen` accepts connections.
fn shell(folder: &tempfile::TempDir, name: &str, script: &str, listen: std::net::SocketAddr) -> Launch {
    Launch {
        name: name.to_owned(),
        role: "test".to_owned(),
        program: "sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        env: [
            ("DIR".to_owned(), folder.path().display().to_string()),
            ("OTEL_SERVICE_NAME".to_owned(), name.to_owned()),
            (INVOCATION_ID.to_owned(), hop::trace::new_trace_id().to_string()),
        ]
        .into(),
        log: folder.path().join(format!("{name}.log")),
        host: None,
        sockets: Vec::new(),
        ready: Readiness { admin: None, listen, probe: Probe::Connect, own: false },
        ready_limit: Duration::from_secs(5),
        drain: Duration::ZERO,
    }
}

/// A port that accepts connections, so that whatever the script does counts as ready.
fn open_port() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    (listener, address)
}

/// A port that nobody listens on.
fn closed_port() -> std::net::SocketAddr {
    open_port().1
}

async fn started(waves: Vec<Vec<Launch>>) -> Result<Supervisor, Exit> {
    Supervisor::start(waves, &Starting::default()).await
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

async fn gone(pid: u32) {
    let what = format!("process {pid} to end");
    hop::wait::until(what, Duration::from_secs(5), async || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    })
    .await
    .expect("it ends");
}

async fn written(path: &std::path::Path) -> String {
    hop::wait::until(format!("{}", path.display()), Duration::from_secs(5), async || {
        std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))
    })
    .await
    .expect("it is written")
}

#[tokio::test]
async fn who_dies_at_once_is_reported_with_its_last_lines() {
    let folder = folder();
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; done; echo why >&2; exit 7";
    let launch = shell(&folder, "short", script, closed_port());
    let exit = started(vec![vec![launch]]).await.err().expect("it died");
    assert_eq!(exit.name, "short");
    assert!(exit.what.starts_with("exit status: 7 after"), "{}", exit.what);
    assert_eq!(exit.lines.len(), 10);
    assert_eq!(exit.lines.last().map(String::as_str), Some("why"));
    let text = exit.to_string();
    assert!(text.contains("short.log") && text.contains("docs/swapping.md"), "{text}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let folder = folder();
    let mut launch = shell(&folder, "absent", "", closed_port());
    launch.program = "/no/such/program".into();
    let exit = started(vec![vec![launch]]).await.err().expect("it cannot start");
    assert!(exit.what.contains("/no/such/program") && exit.what.contains("check the path"), "{exit}");
}

#[tokio::test]
async fn whoever_looks_on_sees_who_is_waited_for() {
    let folder = folder();
    let (_open, address) = open_port();
    let good = shell(&folder, "good", "exec sleep 1000", address);
    let slow = shell(&folder, "slow", "exec sleep 1000", closed_port());
    let starting = Starting::default();
    let start = Supervisor::start(vec![vec![good, slow]], &starting);
    let seen = hop::wait::until("one to be ready, and the other not", Duration::from_secs(4), async || {
        (starting.ready() == 1 && starting.awaited() == ["slow"]).then_some(())
    });
    tokio::select! {
        _ = start => panic!("slow never gets ready"),
        seen = seen => seen.expect("it is seen"),
    }
}

#[tokio::test]
async fn who_never_gets_ready_is_killed_with_its_children() {
    let folder = folder();
    let script = "sleep 1000 & echo $! > $DIR/grandchild; wait";
    let mut launch = shell(&folder, "slow", script, closed_port());
    launch.ready_limit = Duration::from_millis(200);
    let exit = started(vec![vec![launch]]).await.err().expect("it is not ready");
    assert!(exit.what.contains("not ready within 200ms"), "{exit}");
    assert!(exit.to_string().contains("accepts no connection (connection refused)"), "{exit}");
    gone(written(&folder.path().join("grandchild")).await.trim().parse().expect("a pid")).await;
}

#[tokio::test]
async fn one_failure_kills_the_others() {
    let folder = folder();
    let (_open, address) = open_port();
    let good = shell(&folder, "good", "echo $$ > $DIR/pid; exec sleep 1000", address);
    let bad = shell(&folder, "bad", "until [ -s $DIR/pid ]; do :; done; exit 1", closed_port());
    let exit = started(vec![vec![good], vec![bad]]).await.err().expect("bad dies");
    assert_eq!(exit.name, "bad");
    gone(written(&folder.path().join("pid")).await.trim().parse().expect("a pid")).await;
}

#[tokio::test]
async fn who_dies_is_started_again_after_longer_and_longer_pauses() {
    let folder = folder();
    let (_open, address) = open_port();
    let launch = shell(&folder, "mortal", "echo life; read line < $DIR/pipe; exit 3", address);
    std::process::Command::new("mkfifo").arg(folder.path().join("pipe")).status().expect("mkfifo");
    let mut supervisor = started(vec![vec![launch]]).await.expect("it starts");
    let mut pauses = Vec::new();
    for restarts in 1..=3 {
        let pid = supervisor.statuses()[0].pid.expect("it runs");
        signal(pid, Signal::KILL).expect("it is there");
        let Event::Exited(exit, pause) = supervisor.event().await else { panic!("it died") };
        assert!(exit.what.contains("SIGKILL"), "{exit}");
        pauses.push(pause.as_millis());
        assert!(matches!(supervisor.event().await, Event::Back(name) if name == "mortal"));
        let status = &supervisor.statuses()[0];
        assert_eq!((status.restarts, status.state), (restarts, State::Ready));
        assert_ne!(status.pid, Some(pid));
    }
    assert_eq!(pauses, [0, 100, 200]);
    supervisor.stop().await;
}

#[tokio::test]
async fn who_ignores_the_signal_is_killed() {
    let folder = folder();
    let (_open, address) = open_port();
    let script = "trap '' TERM; echo deaf; while :; do sleep 0.05; done";
    let launch = shell(&folder, "deaf", script, address);
    let log = launch.log.clone();
    let mut supervisor = started(vec![vec![launch]]).await.expect("it starts");
    assert_eq!(written(&log).await, "deaf\n");
    let pid = supervisor.statuses()[0].pid.expect("it runs");
    let impatience = supervisor.impatience();
    impatience.cancel(); // as the second Ctrl-C does
    supervisor.stop().await;
    gone(pid).await;
}

/// What sd_listen_fds(3) promises, and the reason for it: who connects between two lives waits.
#[tokio::test]
async fn sockets_are_handed_over_and_stay_open_between_two_lives() {
    let folder = folder();
    let address = closed_port();
    let script = r#"trap 'exit 0' TERM
        [ "$LISTEN_PID" = $$ ] && echo $LISTEN_FDS $LISTEN_FDNAMES $(readlink /proc/$$/fd/3 /proc/$$/fd/4)
        while :; do sleep 0.02; done"#;
    let mut launch = shell(&folder, "heir", script, address);
    launch.sockets =
        vec![Socket { name: "listen", address, udp: false }, Socket { name: "listen", address, udp: true }];
    let log = launch.log.clone();
    let mut supervisor = started(vec![vec![launch]]).await.expect("it starts");
    let said = written(&log).await;
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..2], ["2", "listen:listen"], "{said}");
    assert!(words[2..].iter().all(|fd| fd.starts_with("socket:")) && words.len() == 4, "{said}");
    let pid = supervisor.statuses()[0].pid.expect("it runs");
    signal(pid, Signal::TERM).expect("it is there");
    assert!(matches!(supervisor.event().await, Event::Exited(_, Duration::ZERO)));
    std::net::TcpStream::connect(address).expect("nobody is refused");
    assert!(matches!(supervisor.event().await, Event::Back(_)));
    let again = hop::wait::until("a second life", Duration::from_secs(5), async || {
        std::fs::read_to_string(&log).ok().filter(|text| text.lines().count() == 2)
    });
    let again = again.await.expect("it is handed the sockets again");
    assert_eq!(again, said.repeat(2), "the same ones");
    supervisor.stop().await;
    std::net::TcpStream::connect(address).expect_err("closed with the program");
}

#[tokio::test]
async fn waves_stop_in_reverse() {
    let folder = folder();
    let (_open, address) = open_port();
    let script = |name: &str| {
        format!("trap 'echo {name} >> $DIR/order; exit 0' TERM; echo up; while :; do sleep 0.02; done")
    };
    let first = shell(&folder, "first", &script("first"), address);
    let second = shell(&folder, "second", &script("second"), address);
    let logs = [first.log.clone(), second.log.clone()];
    let mut supervisor = started(vec![vec![first], vec![second]]).await.expect("they start");
    for log in logs {
        written(&log).await; // the trap is set
    }
    supervisor.stop().await;
    assert_eq!(written(&folder.path().join("order")).await, "second\nfirst\n");
}

#[tokio::test]
async fn dropping_it_kills_everything() {
    let folder = folder();
    let (_open, address) = open_port();
    let launch = shell(&folder, "kept", "exec sleep 1000", address);
    let supervisor = started(vec![vec![launch]]).await.expect("it starts");
    let pid = supervisor.statuses()[0].pid.expect("it runs");
    drop(supervisor);
    gone(pid).await;
}

#[tokio::test]
async fn the_guard_kills_whom_it_still_knows() {
    use std::os::unix::process::CommandExt as _;
    let guard = guard::Guard::start().expect("a shell");
    let mut sleepers: Vec<std::process::Child> = (0..3)
        .map(|_| std::process::Command::new("sleep").arg("1000").process_group(0).spawn().expect("sleep"))
        .collect();
    sleepers.iter().for_each(|sleeper| guard.watch(sleeper.id()));
    for _ in 0..3 {
        guard.forget(sleepers[1].id()); // forgetting again changes nothing
    }
    drop(guard); // as the kernel does when this process is killed
    gone(sleepers[0].id()).await;
    gone(sleepers[2].id()).await;
    assert!(sleepers[1].try_wait().expect("it can be asked").is_none(), "it was forgotten in time");
    sleepers[1].kill().expect("it runs");
    for sleeper in &mut sleepers {
        sleeper.wait().expect("it ended");
    }
}

/// A shell command that leaves a child in a session of its own, and writes its number into `$DIR/child`.
const SETSID: &str =
    "setsid sh -c 'echo $$ > $DIR/child; exec sleep 1000' & until [ -s $DIR/child ]; do :; done";

async fn child(folder: &tempfile::TempDir) -> u32 {
    written(&folder.path().join("child")).await.trim().parse().expect("a pid")
}

#[tokio::test]
async fn who_goes_into_the_background_is_told_to_stay_in_front() {
    let folder = folder();
    let script = format!("{SETSID}; exit 0");
    let exit = started(vec![vec![shell(&folder, "daemon", &script, closed_port())]]).await;
    let text = exit.err().expect("it ended").to_string();
    let pid = child(&folder).await;
    for words in ["daemon: went into the background", "exit status: 0", "run it in the foreground"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(text.contains(&format!("it left pid {pid} (sleep 1000): ended")), "{text}");
    gone(pid).await;
}

#[tokio::test]
async fn a_known_daemon_is_told_how() {
    let told = |command: &str, status: i32| {
        use std::os::unix::process::ExitStatusExt as _;
        let folder = folder();
        let launch = Launch { program: command.into(), ..shell(&folder, "hop", "", closed_port()) };
        let exit = Exit::new(&launch, "exit".to_owned(), 0);
        let left = Leftover { pid: 7, command: command.to_owned(), listens: Vec::new() };
        background::told(exit, Some(std::process::ExitStatus::from_raw(status)), &[left]).to_string()
    };
    assert!(told("nginx -c x", 0).contains("nginx -g 'daemon off;'"));
    assert!(told("redis-server --daemonize yes", 0).contains("--daemonize no"));
    // Who fails did not mean to.
    assert!(!told("nginx -c x", 256).contains("background"));
}

#[tokio::test]
async fn who_leaves_its_group_ends_with_the_hop_nevertheless() {
    let folder = folder();
    let (_open, address) = open_port();
    let launch = shell(&folder, "parent", &format!("{SETSID}; exec sleep 1000"), address);
    let mut supervisor = started(vec![vec![launch]]).await.expect("it starts");
    let first = child(&folder).await;
    std::fs::remove_file(folder.path().join("child")).expect("it is there");
    // When the program dies: its next life finds nothing of the last.
    signal(supervisor.statuses()[0].pid.expect("it runs"), Signal::KILL).expect("it is there");
    let Event::Exited(exit, _) = supervisor.event().await else { panic!("it died") };
    assert!(exit.to_string().contains(&format!("it left pid {first} (sleep 1000)")), "{exit}");
    gone(first).await;
    // And when all is stopped.
    let second = child(&folder).await;
    supervisor.stop().await;
    gone(second).await;
}

#[tokio::test]
async fn who_loses_its_parent_is_told_once_and_shown() {
    let folder = folder();
    let (_open, address) = open_port();
    // The shell between the two ends at once.
    let launch = shell(
        &folder,
        "parent",
        &format!("sh -c \"{}\"; exec sleep 1000", SETSID.replace('$', "\\$")),
        address,
    );
    let mut supervisor = started(vec![vec![launch]]).await.expect("it starts");
    let pid = child(&folder).await;
    let Event::Left(name, left) = supervisor.event().await else { panic!("it was left") };
    assert_eq!((name.as_str(), left.pid, left.command.as_str()), ("parent", pid, "sleep 1000"));
    assert_eq!(supervisor.statuses()[0].left, [left]);
    supervisor.stop().await;
    gone(pid).await;
    assert!(supervisor.try_event().is_none(), "told once");
}

#[tokio::test]
async fn the_guard_finds_who_has_left_its_group() {
    let folder = folder();
    let id = hop::trace::new_trace_id().to_string();
    let guard = guard::Guard::start().expect("a shell");
    guard.watch_run(&id);
    let start = |id: &str, name: &str| {
        let script = format!("setsid sh -c 'echo $$ > $DIR/{name}; exec sleep 1000' &");
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env("DIR", folder.path()).env(INVOCATION_ID, id);
        assert!(shell.status().expect("a shell").success());
    };
    start(&id, "ours");
    start(&hop::trace::new_trace_id().to_string(), "another");
    let pid = async |name| written(&folder.path().join(name)).await.trim().parse::<u32>().expect("a pid");
    let (ours, another) = (pid("ours").await, pid("another").await);
    drop(guard); // as the kernel does when this process is killed
    gone(ours).await;
    assert!(processes::Process::of(another).is_some_and(|another| another.lives()), "it is another lab's");
    signal(another, Signal::KILL).expect("it runs");
}

#[tokio::test]
async fn who_is_not_ready_is_told_what_it_answered_and_where_it_listens() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let wrong = listener.local_addr().expect("its address");
    drop(listener);
    let script = format!("exec python3 -m http.server --bind 127.0.0.1 {}", wrong.port());
    let listen = closed_port();
    let mut launch = shell(&folder, "astray", &script, listen);
    launch.ready_limit = Duration::from_secs(3);
    let text = started(vec![vec![launch]]).await.err().expect("it is not ready").to_string();
    for words in
        [format!("probe: a connection at {listen}"), format!("it listens on {wrong}"), "{PORT}".into()]
    {
        assert!(text.contains(&words), "{words} in {text}");
    }
}

/// Who can't write its log can say nothing: the lab says it.
#[tokio::test]
async fn a_full_disk_is_named_for_who_cannot_say_so() {
    let disk = match small_disk::SmallDisk::mount(1) {
        Ok(disk) => disk,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            return eprintln!("NOT TESTED: {why}");
        }
    };
    let folder = folder();
    let fails = || {
        let launch = shell(&folder, "mute", "echo why; exit 1", closed_port());
        let launch = Launch { log: disk.path().join("mute.log"), ..launch };
        async { Supervisor::start(vec![vec![launch]], &Starting::default()).await.err().expect("it ends") }
    };
    let room = fails().await.to_string();
    assert!(room.contains("| why") && !room.contains("disk"), "{room}");
    // As much as there is room for.
    let _ = std::fs::write(disk.path().join("filling"), vec![1; 2 << 20]);
    let full = fails().await.to_string();
    assert!(full.contains("mute: exit status: ") && full.contains("its log and its data is full"), "{full}");
    assert!(full.contains("what to do: make room there") && full.contains("lab.state=FOLDER"), "{full}");
}
