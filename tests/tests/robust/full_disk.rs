//! Nothing that a program says about itself may end it: standard error on a full disk, a log file that may
//! not grow, a reader that has gone away.

use lab::browser::{Browser, Request};
use lab::plan::{Role, Runs};
use lab::supervise::State;
use tests::fixture::TestSlot;

use super::program;
use super::spot::Spot;

/// Each hop logs at level debug, several events a request, and not one can be written.
#[tokio::test]
async fn no_hop_dies_of_its_own_log() {
    let binaries = tests::program::hops().await.expect("build the hops");
    let slot = TestSlot::take("full-logs").await.expect("a slot");
    let mut options = slot.options().set("telemetry.log", "debug");
    let plan = options.plan().expect("the default plan is right");
    for (_, hop) in plan.hops().filter(|(_, hop)| hop.runs == Runs::Own) {
        let program = binaries.path(hop.role());
        let script = match hop.role() {
            // Those that keep nothing may not write a file of more than 512 bytes, and have one as their log.
            Role::Dns | Role::Resolver | Role::Ingress => format!("ulimit -f 1; exec {}", program.display()),
            _ => format!("exec {} 2>/dev/full", program.display()),
        };
        let command = serde_json::Value::from(super::spot::shell(&script));
        options = options
            .set(&format!("hop.{}.command", hop.name), command)
            .set(&format!("hop.{}.reports", hop.name), true);
    }
    let lab = slot.start(options).await.expect("start the lab");
    let mut browser = Browser::new(lab.target().expect("what to measure").browser).expect("the CA is there");
    for number in 0..10 {
        browser.forget().expect("the CA is there");
        let answer = browser.send(&Request::add_item("PROD-123", 1)).await;
        let status = answer.unwrap_or_else(|error| panic!("request {number}: {error:#}")).status;
        assert_eq!(status, 201, "request {number}");
    }
    for hop in lab.statuses() {
        assert_eq!((hop.state, hop.restarts), (State::Ready, 0), "{}: {:?}", hop.name, hop.last_exit);
        let log = std::fs::metadata(&hop.log).map_or(0, |log| log.len());
        assert!(log <= 512, "{} wrote {log} bytes: this test tests nothing", hop.name);
    }
    lab.finish().await;
}

#[tokio::test]
async fn the_lab_itself_needs_no_reader() {
    let spot = Spot::take("no-reader").await;
    let shell = async |redirection: &str, arguments: &[&str]| {
        let lab = program::command(spot.arguments(arguments.iter().copied())).await;
        let mut command = tokio::process::Command::new("sh");
        command.args(["-c", &format!(r#""$0" "$@" {redirection}"#)]);
        command.arg(lab.as_std().get_program()).args(lab.as_std().get_args());
        if let Some(folder) = lab.as_std().get_current_dir() {
            command.current_dir(folder);
        }
        let ended = program::end(command).await;
        assert!(!ended.stderr.contains("panicked"), "{redirection}: {}", ended.stderr);
        ended
    };
    // What is said beside the result may be lost; a result that could not be written is an error.
    assert!(shell("2>/dev/full", &["--once"]).await.code(0).stdout.contains("unaccounted"));
    shell("2>&-", &["status"]).await.code(1);
    shell(">/dev/full", &["--once"]).await.code(3).says(&["write to stdout"]);
    shell(">/dev/full", &["recipes"]).await.code(3);
    // Whoever reads decides how much.
    shell("| head -c 1", &["--once"]).await.code(0);
    shell("| true", &["recipes"]).await.code(0);
    spot.leave();
}
