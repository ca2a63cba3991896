//! A restart fails nobody: while requests are sent at their times, each program in turn is told to end, or
//! killed, and is back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hop::clock;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use lab::probe::{Ask, Browser};
use lab::supervise::Event;
use lab::target::Target;
use tests::fixture::Fixture;
use tokio::task::JoinSet;

/// Requests per second, whatever becomes of those before.
const RATE: u32 = 40;
/// How long the load lasts, and when the program is told to end.
const LOAD: Duration = Duration::from_secs(5);
const AT: Duration = Duration::from_millis(1500);
/// How long the lab may take to notice an end, and the program to be back, on a machine that is busy.
const NOTICE: Duration = Duration::from_secs(10);
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
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut browser = kept.unwrap_or_else(|| Browser::new(target.clone()).expect("the CA is there"));
            if number % 4 == 0 {
                browser.forget().expect("the CA is there");
                let _ = lab::measure::flush_resolver(&target).await;
            }
            let mut ask = Ask::add_item("PROD-123", 1);
            let keyed = number % 2 == 0;
            if keyed {
                let key = format!("{:032x}", rand::random::<u128>());
                ask.headers.insert("idempotency-key", HeaderValue::from_str(&key).expect("a header"));
            }
            let failed = match browser.ask(&ask).await {
                Ok(answer) if answer.status == StatusCode::CREATED => None,
                Ok(answer) => Some(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body))),
                Err(error) => Some(format!("{error:#}")),
            };
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(browser);
            Outcome { sent, ended: clock::monotonic(), failed, keyed }
        });
    }
    running.join_all().await
}

/// What a program's end did.
struct Restart {
    outcomes: Vec<Outcome>,
    /// The lab had noticed its end.
    died: Instant,
    /// It was ready again.
    back: Instant,
}

impl Restart {
    fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.failed.is_some())
    }

    /// Each kind of failure once, and how often.
    fn kinds(&self) -> BTreeMap<&str, usize> {
        let mut kinds = BTreeMap::new();
        self.failures()
            .filter_map(|one| one.failed.as_deref())
            .for_each(|what| *kinds.entry(what).or_default() += 1);
        kinds
    }

    fn tell(&self, what: &str) {
        let slowest = self.outcomes.iter().map(|one| one.ended.saturating_duration_since(one.sent)).max();
        eprintln!(
            "{what}: {} of {} failed, away for {:?}, slowest request {:?}",
            self.failures().count(),
            self.outcomes.len(),
            self.back.saturating_duration_since(self.died),
            slowest.unwrap_or_default(),
        );
    }
}

/// Ends one program under load, `signal` being TERM or KILL.
async fn restart(lab: &mut Fixture, victim: &str, signal: &str) -> Restart {
    let load = tokio::spawn(load(lab.target().expect("what to ask")));
    let mut wait = tokio::time::interval_at(tokio::time::Instant::from_std(clock::monotonic() + AT), AT);
    wait.tick().await;
    let pid = lab.pid(victim).expect("it runs");
    let kill = std::process::Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status();
    assert!(kill.expect("kill").success(), "{victim}");
    let died = event(lab, victim).await;
    assert!(matches!(died, Event::Died(_, Duration::ZERO)), "{victim} is started again at once: {died:?}");
    let died = clock::monotonic();
    let back = event(lab, victim).await;
    assert!(matches!(back, Event::Back(_)), "{victim} ended again: {back:?}\n{}", lab.log(victim));
    let back = clock::monotonic();
    Restart { outcomes: load.await.expect("the load does not panic"), died, back }
}

async fn event(lab: &mut Fixture, victim: &str) -> Event {
    tokio::time::timeout(NOTICE, lab.event()).await.unwrap_or_else(|_| panic!("nothing happened to {victim}"))
}

#[tokio::test]
async fn no_request_fails_when_a_program_is_restarted() {
    let mut lab = Fixture::start("restart").await.expect("start the lab");
    for victim in EACH {
        let restart = restart(&mut lab, victim, "TERM").await;
        restart.tell(victim);
        let (with, without) = (
            restart.failures().filter(|one| one.keyed).count(),
            restart.failures().filter(|one| !one.keyed).count(),
        );
        assert_eq!((with, without), (0, 0), "{victim} was restarted: {:#?}", restart.kinds());
    }
    lab.finish().await;
}
