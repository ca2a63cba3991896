//! A restart fails nobody: while requests are sent at their times, each program in turn is told to end, or
//! killed, and is back. Three times in a row: each time the lab waits longer before it starts it again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hop::clock;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use lab::Options;
use lab::browser::{Browser, Request};
use lab::supervise::Event;
use lab::target::Target;
use parking_lot::Mutex;
use tests::fixture::{Fixture, TestSlot};
use tokio::task::JoinSet;

use super::orphans::Up;
use super::program;

/// Requests per second, whatever becomes of those before.
const RATE: u32 = 40;
/// How long the load lasts, and the time between two ends.
const LOAD: Duration = Duration::from_secs(4);
const AT: Duration = Duration::from_millis(800);
/// How long the lab may take to notice an end, and the program to be back, on a machine that is busy.
const NOTICE: Duration = Duration::from_secs(20);
/// A program that was killed is back within this time.
const BACK: Duration = Duration::from_secs(1);
/// So often those that took longer each time are killed again.
const ONCE_MORE: usize = 3;
/// The resolver gives up on a name server after 800 ms. On a machine that is busy a program may be away for longer,
/// or be back and yet not in time.
const RESOLVER_WAITS: Duration = Duration::from_millis(500);
/// Whom the resolver asks.
const AUTHORITIES: [&str; 2] = ["root", "myshop"];
/// One of each role.
const EACH: [&str; 11] = [
    "lb",
    "ingress",
    "cart-service",
    "cart-pod-abc12",
    "inventory-service",
    "inventory-pod-jkl78",
    "redis",
    "kafka",
    "resolver",
    "root",
    "myshop",
];

/// Those of them that pass bytes on without understanding them.
const SERVICES: [&str; 2] = ["cart-service", "inventory-service"];

/// On a machine that is busy with others a neighbour that was never away may seem so.
const PATIENT: &str = "{ INVENTORY_TIMEOUT_MS = 20000, REDIS_TIMEOUT_MS = 20000, KAFKA_TIMEOUT_MS = 20000 }";

/// The default stack with patient pods.
async fn start(slot: TestSlot, options: Options) -> Fixture {
    let pods = ["cart-pod-abc12", "cart-pod-def34", "cart-pod-ghi56"];
    let set = |options: Options, pod| options.set(&format!("hop.{pod}.env"), PATIENT);
    // Nor is a drain as fast there.
    let options = options.set("supervise.drain_seconds", 10);
    slot.start(pods.into_iter().fold(options, set)).await.expect("start the lab")
}

/// What became of a request.
#[derive(Debug)]
struct Outcome {
    sent: Instant,
    ended: Instant,
    /// A status or an error other than 201.
    failed: Option<String>,
    /// Did it carry an `Idempotency-Key`?
    keyed: bool,
}

/// Requests at their times, each over a kept connection if one is free; every second one with an
/// `Idempotency-Key`, every fourth one by a user who comes for the first time and asks a resolver that
/// has forgotten everything.
async fn load(target: Target) -> Vec<Outcome> {
    let idle: Arc<Mutex<Vec<Browser>>> = Arc::default();
    let mut due = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut running = JoinSet::new();
    let count = LOAD.as_millis() * u128::from(RATE) / 1000;
    for number in 0..count {
        due.tick().await;
        let (idle, target) = (Arc::clone(&idle), target.clone());
        running.spawn(async move {
            let sent = clock::monotonic();
            let kept = idle.lock().pop();
            let mut browser =
                kept.unwrap_or_else(|| Browser::new(target.browser.clone()).expect("the CA is there"));
            if number % 4 == 0 {
                browser.forget().expect("the CA is there");
                let _ = lab::measure::flush_resolver(&target).await;
            }
            let mut request = Request::add_item("PROD-123", 1);
            let keyed = number % 2 == 0;
            if keyed {
                let key = format!("{:032x}", rand::random::<u128>());
                request.headers.insert("idempotency-key", HeaderValue::from_str(&key).expect("a header"));
            }
            let failed = match browser.send(&request).await {
                Ok(answer) if answer.status == StatusCode::CREATED => None,
                Ok(answer) => Some(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
                Err(error) => Some(format!("{error:#}")),
            };
            idle.lock().push(browser);
            Outcome { sent, ended: clock::monotonic(), failed, keyed }
        });
    }
    running.join_all().await
}

/// One end of a program: when it was told to, when the lab knew it, and when it was ready again.
struct End {
    told: Instant,
    died: Instant,
    back: Instant,
}

impl End {
    /// May the program have had this request when it ended?
    fn holds(&self, one: &Outcome) -> bool {
        one.sent <= self.died && one.ended >= self.told
    }

    fn away(&self) -> Duration {
        self.back.saturating_duration_since(self.died)
    }

    /// Was the program away for longer than the resolver waits for it while this request needed it?
    fn starved(&self, one: &Outcome) -> bool {
        let too_early = self.back.checked_sub(RESOLVER_WAITS);
        self.away() > RESOLVER_WAITS && too_early.is_some_and(|end| one.sent <= end) && one.ended >= self.told
    }
}

/// What a program's ends did to the load.
struct Restarts {
    outcomes: Vec<Outcome>,
    ends: Vec<End>,
}

impl Restarts {
    fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.failed.is_some())
    }

    /// Leaves out what a resolver had to give up because this machine did not start an authority in time.
    fn excuse(&mut self, victim: &str) {
        let ends = &self.ends;
        if AUTHORITIES.contains(&victim) {
            self.outcomes.retain(|one| !ends.iter().any(|end| end.starved(one)));
        }
    }

    /// Leaves out one request for each end of a Service that was sent in the very moment in which it closed an idle
    /// connection: the Service looks into its client's socket right before, but who understands no bytes cannot know what
    /// is on its way, and a client on a busy machine takes milliseconds from its own last look to its write (RFC 9112
    /// §9.3.1 has the same of any idle connection).
    fn excuse_crossings(&mut self, victim: &str) {
        let broke_off =
            |one: &Outcome| one.failed.as_deref().is_some_and(|what| what.contains("upstream-broke-off"));
        for end in self.ends.iter().filter(|_| SERVICES.contains(&victim)) {
            let crossed = self.outcomes.iter().position(|one| broke_off(one) && end.holds(one));
            crossed.map(|at| self.outcomes.remove(at));
        }
    }

    /// Each kind of failure once, and how often.
    fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        for what in self.failures().filter_map(|one| one.failed.as_deref()) {
            *kinds.entry(what).or_default() += 1;
        }
        kinds
    }

    /// The shortest time without the program.
    fn fastest(&self) -> Duration {
        self.ends.iter().map(End::away).min().unwrap_or_default()
    }

    /// Failures of requests that were sent when the program was dead already.
    fn later(&self) -> Vec<&Outcome> {
        self.failures().filter(|one| !self.ends.iter().any(|end| end.holds(one))).collect()
    }

    fn tell(&self, what: &str) {
        let slowest = self.outcomes.iter().map(|one| one.ended.saturating_duration_since(one.sent)).max();
        let between = |from: fn(&End) -> Instant, to: fn(&End) -> Instant| {
            let each = self.ends.iter().map(|end| to(end).saturating_duration_since(from(end)).as_millis());
            each.collect::<Vec<_>>()
        };
        eprintln!(
            "{what}: {} of {} failed, drained for {:?} ms, away for {:?} ms, slowest request {:?}",
            self.failures().count(),
            self.outcomes.len(),
            between(|end| end.told, |end| end.died),
            between(|end| end.died, |end| end.back),
            slowest.unwrap_or_default(),
        );
    }
}

/// Ends one program three times under load, `signal` being TERM or KILL.
async fn restart(lab: &mut Fixture, victim: &str, signal: &str) -> Restarts {
    let load = tokio::spawn(load(lab.target().expect("what to measure")));
    let mut wait = tokio::time::interval_at(tokio::time::Instant::from_std(clock::monotonic() + AT), AT);
    let mut ends = Vec::new();
    for pause in [0, 100, 200] {
        wait.tick().await;
        let (end, waits) = self::end(lab, victim, signal).await;
        // Less on a machine so busy that the program was well for long.
        assert!(waits.as_millis() <= pause, "{victim} waits for {waits:?}");
        ends.push(end);
    }
    Restarts { outcomes: load.await.expect("the load does not panic"), ends }
}

/// Ends one program and waits until it is back. Also returns the lab's pause before it started it again.
async fn end(lab: &mut Fixture, victim: &str, signal: &str) -> (End, Duration) {
    let told = clock::monotonic();
    let pid = lab.pid(victim).expect("it runs");
    let kill = std::process::Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(kill.expect("kill").success(), "{victim}");
    let event = event(lab, victim).await;
    let died = clock::monotonic();
    let Event::Exited(_, waits) = event else { panic!("{victim} did not end: {event:?}") };
    let back = self::event(lab, victim).await;
    assert!(matches!(back, Event::Back(_)), "{victim} ended again: {back:?}\n{}", lab.log(victim));
    (End { told, died, back: clock::monotonic() }, waits)
}

async fn event(lab: &mut Fixture, victim: &str) -> Event {
    tokio::time::timeout(NOTICE, lab.event()).await.unwrap_or_else(|_| panic!("nothing happened to {victim}"))
}

#[tokio::test]
async fn no_request_fails_when_a_program_is_restarted() {
    let slot = TestSlot::take("restart").await.expect("a slot");
    // On a busy machine a request takes longer than the usual two seconds.
    let options = slot.options().set("supervise.drain_seconds", 20);
    let mut lab = start(slot, options).await;
    for victim in EACH {
        let mut restart = restart(&mut lab, victim, "TERM").await;
        restart.tell(victim);
        restart.excuse(victim);
        restart.excuse_crossings(victim);
        let failed = |keyed| restart.failures().filter(|one| one.keyed == keyed).count();
        // With an `Idempotency-Key` and without.
        assert_eq!((failed(true), failed(false)), (0, 0), "{victim}: {:#?}", restart.kinds());
    }
    lab.finish().await;
}

/// `lab status --json` answers while programs die.
#[tokio::test]
async fn the_status_can_always_be_asked_for() {
    let up = Up::start("status-under-kills").await;
    let status = async || {
        let said = program::lab(up.spot.arguments(["status", "--json"])).await.code(0);
        serde_json::from_str::<serde_json::Value>(&said.stdout).expect("stdout is JSON")
    };
    let mut states = std::collections::BTreeSet::new();
    for _ in 0..4 {
        for victim in ["lb", "redis", "cart-pod-abc12"] {
            let of = |status: &serde_json::Value| {
                let hops = status["hops"].as_array().cloned().unwrap_or_default();
                hops.into_iter().find(|hop| hop["name"] == victim).expect("the victim")
            };
            if let Some(pid) = of(&status().await)["pid"].as_u64() {
                let _ = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
            }
            states.insert(of(&status().await)["state"].as_str().expect("a state").to_owned());
        }
    }
    // Not only in good times: after the third death in a row it stays away for a while.
    assert!(states.iter().any(|state| state != "ready"), "{states:?}");
    up.finish().await;
}

#[tokio::test]
async fn only_requests_inside_a_killed_program_fail() {
    let slot = TestSlot::take("killed").await.expect("a slot");
    let options = slot.options();
    let mut lab = start(slot, options).await;
    let mut slow = Vec::new();
    for victim in EACH {
        let mut restart = restart(&mut lab, victim, "KILL").await;
        restart.tell(&format!("{victim} killed"));
        restart.excuse(victim);
        // So at most as many as were under way, and of those only these very ones.
        let later = restart.later();
        assert!(later.is_empty(), "{victim} was dead already when these were sent: {later:#?}");
        if restart.fastest() >= BACK {
            slow.push(victim);
        }
    }
    // The fastest of several returns counts, the last of them without a load: the machine may be busy with others.
    for _ in 0..ONCE_MORE {
        let mut still = Vec::new();
        for victim in slow {
            let (end, _) = end(&mut lab, victim, "KILL").await;
            if end.away() >= BACK {
                still.push(victim);
            }
        }
        slow = still;
    }
    assert!(slow.is_empty(), "never back within {BACK:?}: {slow:?}");
    lab.finish().await;
}

/// The load sees what a restart without the hand-over does: the same program, as a command that binds by
/// itself.
#[tokio::test]
async fn a_program_that_binds_by_itself_refuses_while_it_is_away() {
    let binaries = tests::program::hops().await.expect("build the hops");
    let slot = TestSlot::take("restart-twin").await.expect("a slot");
    let command = serde_json::Value::from(binaries.path(lab::plan::Role::Lb).to_string_lossy());
    let options = slot.options().set("hop.lb.command", command).set("hop.lb.reports", true);
    let mut lab = start(slot, options).await;
    let restart = restart(&mut lab, "lb", "TERM").await;
    restart.tell("lb that binds by itself");
    assert!(restart.failures().count() > 0, "nothing was refused: this load would not see a lost request");
    lab.finish().await;
}
