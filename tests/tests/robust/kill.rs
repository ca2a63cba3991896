//! `kill -9` of each program in turn, while requests run: every failure is explained, the program comes
//! back, and what was acknowledged is still there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hop::http::{Fault, Problem};
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use lab::browser::{Browser, Request, Response};
use lab::certs::Certs;
use lab::plan::Role;
use lab::supervise::Event;
use lab::target::Target;
use parking_lot::{Mutex, MutexGuard};
use tests::fixture::Fixture;
use tests::programs;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use super::orphans::Up;

/// Customers who ask at the same time.
const CLIENTS: usize = 4;
/// The most items that one of them adds while one program is killed.
const MOST: usize = 400;
/// How long a customer tries to get one item into the cart.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the lab may take to notice an exit, and a program to be back.
const NOTICE: Duration = Duration::from_secs(20);

/// What customers were told.
#[derive(Default)]
struct Tally {
    /// Customers whose item was acknowledged, and how often.
    acknowledged: BTreeMap<String, i64>,
    /// Answers other than 201.
    refused: Vec<(StatusCode, Option<String>, String)>,
    /// No answer at all.
    broken: Vec<String>,
}

type Book = Arc<Mutex<Tally>>;

fn open(book: &Book) -> MutexGuard<'_, Tally> {
    book.lock()
}

/// Adds one item each for one customer after the other; each tries until it is told 201.
async fn client(target: Target, certs: Certs, name: String, stop: Arc<AtomicBool>, book: Book) {
    let mut browser = Browser::new(target.browser.clone()).expect("the CA is there");
    for number in 0..MOST {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let user = format!("{name}-{number}");
        let token = certs.token(&target.browser.host, &user, hop::clock::now()).expect("sign a token");
        let mut request = Request::add_item("PROD-123", 1);
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is a header");
        request.headers.insert(header::AUTHORIZATION, bearer);
        // Many who come for the first time: names are looked up, from the root.
        if number % 3 == 0 {
            browser.forget().expect("the CA is there");
            // It may be the resolver that is dead.
            let _ = lab::measure::flush_resolver(&target).await;
        }
        let added = hop::wait::until(format!("{user}'s item to be added"), PATIENCE, async || {
            let answer = browser.send(&request).await;
            let mut tally = open(&book);
            match answer {
                Ok(answer) if answer.status == StatusCode::CREATED => {
                    *tally.acknowledged.entry(user.clone()).or_default() += 1;
                    return Some(());
                }
                Ok(Response { status, headers, body, .. }) => {
                    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                    let body = String::from_utf8_lossy(&body).into_owned();
                    tally.refused.push((status, kind.map(str::to_owned), body));
                }
                Err(error) => tally.broken.push(format!("{error:#}")),
            }
            None
        });
        added.await.unwrap_or_else(|error| {
            let tally = open(&book);
            panic!("{error}; last answers: {:?} {:?}", tally.refused.last(), tally.broken.last())
        });
    }
}

/// Kills one program under load and waits until it is back and has been of use.
async fn kill_one(lab: &mut Fixture, victim: &str) -> Tally {
    let book = Book::default();
    let stop = Arc::new(AtomicBool::new(false));
    let target = lab.target().expect("what to measure");
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let name = format!("{victim}-{number}");
            let customer =
                client(target.clone(), lab.certs().clone(), name, Arc::clone(&stop), Arc::clone(&book));
            tokio::task::spawn_local(customer)
        })
        .collect();
    let count = || open(&book).acknowledged.len();
    let some = async |more: usize| {
        let wanted = count() + more;
        let acknowledged = hop::wait::until(format!("{wanted} items"), PATIENCE, async || {
            (count() >= wanted || clients.iter().all(|client| client.is_finished())).then_some(())
        });
        acknowledged.await.unwrap_or_else(|error| panic!("{victim}: {error}, but there are {}", count()));
    };
    some(2 * CLIENTS).await;
    let pid = lab.pid(victim);
    lab.kill(victim).expect("it runs");
    let exited = next_event(lab, victim, "dies").await;
    let Event::Exited(exit, _) = exited else { panic!("{victim} came back before it died") };
    assert!(exit.what.contains("signal: 9"), "{exit}");
    let text = exit.to_string();
    let log = exit.log.file_name().and_then(|name| name.to_str()).expect("a log file");
    assert!(exit.log.is_file() && log == format!("{victim}.log"), "{text}");
    for word in [victim, log, "signal: 9", "| "] {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
    let back = next_event(lab, victim, "comes back").await;
    assert!(matches!(back, Event::Back(_)), "{victim} exited again: {back:?}");
    assert_ne!(lab.pid(victim), pid);
    let status = lab.statuses().into_iter().find(|status| status.name == victim).expect("its status");
    assert_eq!(status.restarts, 1, "{victim}");
    assert!(status.last_exit.is_some_and(|exit| exit.contains("signal: 9")), "{victim}");
    some(4 * CLIENTS).await;
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("every customer was served in the end");
    }
    std::mem::take(&mut *open(&book))
}

/// The next thing that happens to a program, which must be the victim.
async fn next_event(lab: &mut Fixture, victim: &str, what: &str) -> Event {
    let event = tokio::time::timeout(NOTICE, lab.event()).await;
    let event =
        event.unwrap_or_else(|_| panic!("the lab did not say within {NOTICE:?} that {victim} {what}"));
    let name = match &event {
        Event::Exited(exit, _) => &exit.name,
        Event::Back(name) | Event::Left(name, _) => name,
    };
    assert_eq!(name, victim, "only the victim is touched: {event:?}");
    event
}

/// Every failure says where it was and whose fault it is.
fn judge(lab: &Fixture, victim: &str, tally: &Tally) {
    let role = lab.plan().find(victim).expect("the victim").role();
    for (status, kind, body) in &tally.refused {
        let shown = format!("{victim} was killed: {status} {kind:?} {body}");
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{shown}");
        let problem: Problem = serde_json::from_str(body).unwrap_or_else(|error| panic!("{shown}: {error}"));
        assert_eq!(problem.status, status.as_u16(), "{shown}");
        assert!(lab.plan().find(&problem.hop).is_some(), "no hop of this name: {shown}");
        assert_ne!(problem.fault, Fault::Client, "the customer did nothing wrong: {shown}");
        assert!(status.is_server_error() && problem.detail.len() > 10, "{shown}");
    }
    let (resolver, lb) = (lab.listen("resolver"), lab.listen("lb"));
    for error in &tally.broken {
        let expected = match role {
            // Whom the browser itself talks to.
            Role::Lb => {
                error.contains(&lb.to_string()) || error.contains("request") || error.contains("response")
            }
            Role::Resolver | Role::Dns => error.contains(&format!("query {resolver}")),
            _ => false,
        };
        assert!(expected, "{victim} was killed, and a customer got no answer: {error}");
    }
}

/// What failed, each kind once, and how often.
fn kinds(tally: &Tally) -> BTreeMap<String, usize> {
    let refusal = |(_, _, body): &(StatusCode, Option<String>, String)| {
        let problem = serde_json::from_str::<Problem>(body).ok()?;
        Some(format!("{} at {}: {}", problem.title, problem.hop, problem.detail))
    };
    let refused = tally.refused.iter().map(|refused| refusal(refused).unwrap_or_default());
    let mut kinds = BTreeMap::new();
    refused.chain(tally.broken.iter().cloned()).for_each(|what| *kinds.entry(what).or_default() += 1);
    kinds
}

/// Every acknowledged item is in its cart, and its event in Kafka.
async fn nothing_is_lost(lab: &Fixture, acknowledged: &BTreeMap<String, i64>) {
    let mut redis = BufReader::new(TcpStream::connect(lab.listen("redis")).await.expect("connect to redis"));
    let mut lost = Vec::new();
    for (user, quantity) in acknowledged {
        // RESP's inline form, and a bulk string: $1, then the number.
        redis.write_all(format!("HGET cart:{user} PROD-123\r\n").as_bytes()).await.expect("ask redis");
        let mut line = String::new();
        redis.read_line(&mut line).await.expect("redis answers");
        let mut there = 0;
        if line.trim_end() != "$-1" {
            line.clear();
            redis.read_line(&mut line).await.expect("redis answers");
            there = line.trim_end().parse().unwrap_or_else(|_| panic!("redis says {line:?}"));
        }
        if there < *quantity {
            lost.push(format!("{user}: {quantity} acknowledged, {there} in Redis"));
        }
    }
    let broker = lab.listen("kafka").to_string();
    let consume = ["-C", "-b", &broker, "-t", "cart-events", "-o", "beginning", "-e", "-q", "-f", "%s\\n"];
    let records = programs::output("kcat", consume).await.expect("read every event");
    let mut told: BTreeMap<String, i64> = BTreeMap::new();
    for record in records.lines() {
        let event: serde_json::Value = serde_json::from_str(record).expect("an event is JSON");
        assert_eq!(event["type"], "item-added", "{event}");
        let cart = event["cartId"].as_str().expect("a cart").to_owned();
        *told.entry(cart).or_default() += event["quantity"].as_i64().expect("a quantity");
    }
    for (user, quantity) in acknowledged {
        let told = told.get(&format!("CART-{user}")).copied().unwrap_or(0);
        if told < *quantity {
            lost.push(format!("{user}: {quantity} acknowledged, {told} in Kafka"));
        }
    }
    let count = acknowledged.len();
    assert!(
        lost.is_empty(),
        "of {count} acknowledged items, {} were lost:\n  {}",
        lost.len(),
        lost.join("\n  ")
    );
}

#[tokio::test]
async fn each_program_killed_under_load_comes_back_and_nothing_acknowledged_is_lost() {
    let mut lab = Fixture::start("kill").await.expect("start the lab");
    let victims: Vec<String> = lab.plan().hops().map(|(_, hop)| hop.name.clone()).collect();
    let mut acknowledged = BTreeMap::new();
    let customers = tokio::task::LocalSet::new();
    for victim in &victims {
        let tally = customers.run_until(kill_one(&mut lab, victim)).await;
        judge(&lab, victim, &tally);
        eprintln!("{victim} killed: {} acknowledged", tally.acknowledged.len());
        for (what, often) in kinds(&tally) {
            eprintln!("  {often} × {what}");
        }
        acknowledged.extend(tally.acknowledged);
    }
    nothing_is_lost(&lab, &acknowledged).await;
    // Once more both that keep something, at the same time.
    let pids = ["redis", "kafka"].map(|name| (name, lab.pid(name)));
    for (name, _) in pids {
        lab.kill(name).expect("it runs");
    }
    for (name, pid) in pids {
        lab.ready_again(name, pid).await.expect("it is back");
    }
    nothing_is_lost(&lab, &acknowledged).await;
    lab.finish().await;
}

#[tokio::test]
async fn the_terminal_shows_an_exit_with_its_last_lines() {
    let mut up = Up::start("shows-exit").await;
    let redis = up.hops.iter().find(|hop| hop.name == "redis").expect("redis").clone();
    redis.signal("KILL");
    up.lab.until_it_says("redis is back").await;
    let said = up.lab.stderr();
    for word in [
        "! redis: signal: 9 (SIGKILL) after",
        "its last lines:",
        "    | ",
        "logs/redis.log",
        "started again at once",
    ] {
        assert!(said.contains(word), "no {word:?} in:\n{said}");
    }
    up.finish().await;
}
