//! A process's life: how it begins, what signals do to it, and what its exit code says.
//!
//! The process is this test binary itself, told by an environment variable to be a hop.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use hop::start::Misuse;
use hop::{Common, listen};

const PLAY: &str = "HOP_TEST_PLAYS";

/// Not a test of its own: the hop that the others start.
#[test]
fn play() {
    let Ok(part) = std::env::var(PLAY) else { return };
    let otlp_endpoint = (part == "misled").then(|| "nonsense".to_owned());
    let common = Common {
        name: None,
        admin: None,
        otlp_endpoint,
        sampler: "parentbased_always_on".to_owned(),
        schedule_delay_ms: 200,
        tcp_nodelay: true,
        drain_seconds: 1,
    };
    let code = hop::start("hop", common, async |hop| {
        match part.as_str() {
            "fails" => anyhow::bail!("it failed"),
            "misused" => return Err(Misuse("a wrong setting".to_owned()).into()),
            "patient" | "stubborn" => {
                // The log comes from the task that watches for signals only once; let it begin first.
                tokio::task::yield_now().await;
                hop.ready();
                hop.shutdown.cancelled().await;
                if part == "stubborn" {
                    std::future::pending::<()>().await;
                }
            }
            _ => {}
        }
        Ok(())
    });
    // `ExitCode` keeps its number to itself: compare with those there are.
    let number =
        (0..=2).find(|number| format!("{:?}", std::process::ExitCode::from(*number)) == format!("{code:?}"));
    std::process::exit(number.map_or(99, i32::from));
}

fn hop(part: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "start::play", "--nocapture"]).env(PLAY, part).env_remove("RUST_LOG");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn exit_codes_mean_something() {
    for (part, code, says) in [
        ("good", 0, ""),
        ("fails", 1, "hop stops: it failed"),
        ("misused", 2, "hop stops: a wrong setting"),
        ("misled", 2, "expected http://IP:PORT"),
    ] {
        let output = hop(part).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{part}: {log}");
        assert!(log.contains(says), "{part}: {log}");
    }
}

/// Sends signals, each when the log says what the one before did; returns the exit code.
fn signalled(part: &str, steps: &[(&str, &str)]) -> Option<i32> {
    let mut child = hop(part).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    for (awaited, signal) in steps {
        let found = log.by_ref().map(Result::unwrap).any(|line| line.contains(awaited));
        assert!(found, "{awaited:?} in the log");
        let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }
    child.wait().unwrap().code()
}

#[test]
fn the_first_signal_drains_and_a_second_one_ends_it_now() {
    assert_eq!(signalled("patient", &[("ready", "TERM")]), Some(0));
    assert_eq!(signalled("patient", &[("ready", "INT")]), Some(0));
    assert_eq!(signalled("stubborn", &[("ready", "TERM"), ("draining", "TERM")]), Some(143));
    assert_eq!(signalled("stubborn", &[("ready", "TERM"), ("draining", "INT")]), Some(130));
}

#[tokio::test]
async fn a_port_that_cannot_be_had_is_explained() {
    let first = listen::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = first.local_addr().unwrap();
    let error = format!("{:#}", listen::tcp(address).unwrap_err());
    assert!(
        error.contains(&format!("listen on tcp {address}")) && error.contains("the port is taken"),
        "{error}"
    );
    let elsewhere = "192.0.2.1:8080".parse().unwrap();
    let error = format!("{:#}", listen::udp(elsewhere).await.unwrap_err());
    assert!(error.contains("192.0.2.1 is not an address of this machine"), "{error}");
}
