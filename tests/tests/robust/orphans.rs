//! No program outlives its lab, however that ends; and labs live side by side.

use std::time::Duration;

use lab::state::Run;

use super::process::{Process, taken};
use super::program::{self, Background, LIMIT};
use super::spot::{Spot, shell};

/// How long the kernel may take to end what is to die with its parent.
pub(crate) const DEATH: Duration = Duration::from_secs(10);

/// A lab that is up, and every process of it.
pub(crate) struct Up {
    /// First, so that it is gone when its place is given back.
    pub(crate) lab: Background,
    pub(crate) run: Run,
    pub(crate) hops: Vec<Process>,
    pub(crate) spot: Spot,
}

impl Up {
    /// Starts `lab` and waits until it has measured its first journeys and waits for requests.
    pub(crate) async fn start(name: &'static str) -> Self {
        let spot = Spot::take(name).await;
        let mut lab = Background::start(spot.folder(), &spot.arguments([""; 0])).await;
        lab.until_it_says("waiting for requests").await;
        let run = spot
            .running()
            .unwrap_or_else(|| panic!("run.json says that it runs; lab said:\n{}", lab.stderr()));
        assert_eq!(run.pid, lab.process.pid);
        let process = |hop: &lab::state::RunHop| {
            let pid = hop.pid.unwrap_or_else(|| panic!("{} has no process", hop.name));
            Process::of(pid, &hop.name).unwrap_or_else(|| panic!("{} (pid {pid}) does not run", hop.name))
        };
        let hops: Vec<Process> = run.hops.iter().map(process).collect();
        assert_eq!(hops.len(), spot.plan().hops().len());
        Up { lab, run, hops, spot }
    }

    /// The test has succeeded: everything ends.
    pub(crate) async fn finish(self) {
        self.lab.process.signal("TERM");
        self.lab.ended().await.code(0);
        self.spot.leave();
    }

    /// Fails when, after a while, something of it still runs or holds a port.
    pub(crate) async fn is_gone(&self) {
        let left =
            || self.hops.iter().filter(|hop| hop.lives()).map(|hop| (&hop.name, hop.pid)).collect::<Vec<_>>();
        hop::wait::until("every program to end with its lab", DEATH, async || {
            left().is_empty().then_some(())
        })
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?} still run", left()));
        let taken = || taken(&self.spot.plan());
        hop::wait::until("every port to be free", DEATH, async || taken().is_empty().then_some(()))
            .await
            .unwrap_or_else(|error| panic!("{error}: {:?}", taken()));
        assert!(self.spot.running().is_none(), "`lab status` must not find it any more");
    }
}

#[tokio::test]
async fn a_killed_lab_leaves_no_program_and_no_port() {
    let up = Up::start("killed-lab").await;
    up.lab.process.signal("KILL");
    up.is_gone().await;
    // What it left on disk does not keep the next one from starting.
    let status = program::lab(up.spot.arguments(["status"])).await.code(1);
    status.says(&["does not run"]);
    program::lab(up.spot.arguments(["--once"])).await.code(0);
    up.is_gone().await;
    up.spot.leave();
}

#[tokio::test]
async fn ctrl_c_and_sigterm_stop_everything_in_order() {
    for (signal, says) in [("INT", "Ctrl-C"), ("TERM", "SIGTERM")] {
        let up = Up::start("signals").await;
        up.lab.process.signal(signal);
        let Up { spot, lab, run, hops } = up;
        let process = lab.process.clone();
        let ended = lab.ended().await.code(0);
        let said = &ended.stderr;
        assert!(said.contains(says) && said.contains("stopping 15 programs"), "{said}");
        assert!(!said.contains("killed"), "every program ended by itself when told to: {said}");
        assert!(!process.lives());
        for name in run.hops.iter().map(|hop| &hop.name) {
            let log =
                std::fs::read_to_string(spot.run_folder().join(format!("logs/{name}.log"))).expect("its log");
            assert!(!log.contains("panicked"), "{name}:\n{log}");
        }
        let left: Vec<&Process> = hops.iter().filter(|hop| hop.lives()).collect();
        assert!(left.is_empty(), "a lab ends after its programs, but these run: {left:?}");
        assert_eq!(taken(&spot.plan()), Vec::<String>::new());
        assert!(spot.running().is_none());
        spot.leave();
    }
}

#[tokio::test]
async fn a_signal_before_everything_is_up_stops_it_too() {
    let spot = Spot::take("early-signal").await;
    let script = shell("exec sleep 600");
    let swap = format!("redis={script}");
    let arguments = spot.arguments(["--swap", &swap, "--set", "supervise.ready_seconds=60.0"]);
    let lab = Background::start(spot.folder(), &arguments).await;
    let kafka = spot.plan().find("kafka").expect("kafka").listen;
    let up = hop::wait::until("kafka to answer", LIMIT, async || {
        tokio::net::TcpStream::connect(kafka).await.ok().map(drop)
    });
    up.await.unwrap_or_else(|error| panic!("{error}\n{}", lab.stderr()));
    lab.process.signal("INT");
    lab.ended().await.code(130).says(&["stopped before everything was up"]);
    hop::wait::until("every port to be free", DEATH, async || taken(&spot.plan()).is_empty().then_some(()))
        .await
        .unwrap_or_else(|error| panic!("{error}: {:?}", taken(&spot.plan())));
    spot.leave();
}

#[tokio::test]
async fn a_second_lab_of_one_name_is_refused_and_disturbs_nothing() {
    let up = Up::start("second-lab").await;
    let pid = format!("pid {}", up.run.pid);
    let second = program::lab(up.spot.arguments(["--once"])).await.code(2);
    second.says(&["runs already", &pid, "what to do", "lab.name="]);
    assert!(up.hops.iter().all(Process::lives), "the first one runs on");
    // The first one's folder was not touched either.
    assert_eq!(up.spot.running().map(|run| run.pid), Some(up.run.pid));
    program::lab(up.spot.arguments(["measure", "--warm"])).await.code(0).says(&["on the running lab"]);
    up.finish().await;
}

#[tokio::test]
async fn two_labs_side_by_side_measure_both() {
    let (one, two) = tokio::join!(Up::start("side-one"), Up::start("side-two"));
    assert_ne!(one.run.pid, two.run.pid);
    let measured = tokio::join!(
        program::lab(one.spot.arguments(["measure", "-n", "3", "--format", "json"])),
        program::lab(two.spot.arguments(["measure", "-n", "3", "--format", "json"])),
    );
    for (up, measured) in [(&one, measured.0), (&two, measured.1)] {
        let measured = measured.code(0);
        let json: serde_json::Value = serde_json::from_str(&measured.stdout).expect("stdout is JSON");
        let hops = json["hops"].as_array().expect("hops");
        for hop in hops {
            let pid = hop["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
            assert!(up.hops.iter().any(|known| known.pid == pid), "{hop} is none of this lab's");
        }
        for journey in json["warm"]["journeys"].as_array().expect("journeys") {
            assert_eq!(journey["status"], 201, "{journey}");
            assert_eq!(journey["silent"].as_array().map(Vec::len), Some(0), "{journey}");
        }
    }
    one.finish().await;
    two.finish().await;
}
