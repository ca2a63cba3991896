//! A process's life: how it begins, what signals do to it, and what its exit code says.
//!
//! The process is this test binary itself, told by an environment variable to be a hop.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use hop::start::Misuse;
use hop::{Common, listen};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PLAY: &str = "HOP_TEST_PLAYS";

/// Not a test of its own: the hop that the others start.
#[test]
fn play() {
    let Ok(part) = std::env::var(PLAY) else { return };
    let otlp_endpoint = (part == "misled").then(|| "nonsense".to_owned());
    let common = Common {
        name: None,
        admin: None,
        admin_secret_file: None,
        otlp_endpoint,
        local_networks: vec!["127.0.0.0/8".parse().unwrap()],
        sampler: "parentbased_always_on".to_owned(),
        sampler_arg: None,
        flight_recorder: 0,
        schedule_delay_ms: 200,
        tcp_nodelay: true,
        drain_seconds: 1,
    };
    let code = hop::start("hop", common, async |hop| {
        match part.as_str() {
            "fails" => anyhow::bail!("it failed"),
            "heir" => {
                let address = std::env::var("LISTEN").expect("an address").parse().expect("an address");
                let listener = listen::tcp(address)?;
                hop.ready();
                let (mut client, _) = listener.accept().await?;
                client.write_all(b"served").await?;
            }
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

/// The first process is not even started when a client connects: it waits, and is served.
#[tokio::test]
async fn a_socket_that_was_handed_over_is_served_and_one_that_nobody_serves_is_named() {
    let [served, idle] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let [address, unserved] = [&served, &idle].map(|listener| listener.local_addr().unwrap());
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    let handed = |number: &str| {
        let mut command = hop("heir");
        let sockets = [idle.try_clone().unwrap(), served.try_clone().unwrap()];
        let mapping = |(child_fd, socket): (i32, std::net::TcpListener)| FdMapping {
            parent_fd: socket.into(),
            child_fd,
        };
        command.fd_mappings((3..).zip(sockets).map(mapping).collect()).unwrap();
        command.env("LISTEN_FDS", number).env("LISTEN", address.to_string());
        command
    };
    // Meant for somebody else (sd_listen_fds(3)): then it has to bind, and the address is taken.
    let output = handed("2").env("LISTEN_PID", "1").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("the port is taken"), "{output:?}");

    let output = handed("2").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    assert!(log.contains("nothing is served on this socket") && log.contains(&unserved.to_string()), "{log}");
    let mut reply = String::new();
    client.read_to_string(&mut reply).await.unwrap();
    assert_eq!(reply, "served");
}
