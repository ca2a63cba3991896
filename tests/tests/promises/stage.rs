//! A lab with its engines, and what a test asks of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use lab::certs::Certs;
use lab::plan::Role;
use serde_json::Value;
use tests::engines::{Engine, did_not_run};
use tests::fixture::{Fixture, TestSlot};
use tests::programs;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::check::{Carts, Record};

/// How long anything may take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);
/// More than a pod waits for its neighbours.
const ANSWER: Duration = Duration::from_secs(60);
/// Units held for so long are given back unless they are in a cart; 30 seconds by default.
pub(crate) const SETTLE_AFTER: Duration = Duration::from_secs(6);
/// What the pods are told: they wait for a neighbour that is slow because the machine is, and don't burden it with
/// a second try as well.
const ENV: &str = "{ SETTLE_AFTER_MS = 6000, INVENTORY_TIMEOUT_MS = 20000, REDIS_TIMEOUT_MS = 20000 }";
/// The three pods of the cart.
pub(crate) const PODS: [&str; 3] = ["cart-pod-abc12", "cart-pod-def34", "cart-pod-ghi56"];
/// The two of the inventory.
pub(crate) const INVENTORY: [&str; 2] = ["inventory-pod-jkl78", "inventory-pod-mno90"];

/// Who keeps the shop's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engines {
    /// `store`, `events`, SQLite.
    Defaults,
    /// A redis-server, `events`, a PostgreSQL.
    RedisAndPostgres,
    /// A redis-server, an Apache Kafka, a PostgreSQL.
    KafkaRedisAndPostgres,
}

/// A running lab and the engines beside it.
pub(crate) struct Stage {
    // Before the engines: the lab ends first.
    pub(crate) lab: Fixture,
    engines: BTreeMap<&'static str, Engine>,
}

/// Who starts the default event log, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartedBy {
    /// The lab: it is back at once.
    Lab,
    /// The test: it stays away as long as the test wants it to.
    Test,
}

impl Stage {
    /// Starts the engines and the lab; `None` when an engine can't be had, which is said.
    pub(crate) async fn open(
        set: Engines,
        name: &str,
        restarted_by: RestartedBy,
    ) -> anyhow::Result<Option<Stage>> {
        Self::open_with(set, name, restarted_by, &[]).await
    }

    /// As [`Stage::open`], with other programs in some slots: hop and recipe.
    pub(crate) async fn open_with(
        set: Engines,
        name: &str,
        restarted_by: RestartedBy,
        swaps: &[(&str, &str)],
    ) -> anyhow::Result<Option<Stage>> {
        let label = match set {
            Engines::Defaults => "defaults",
            Engines::RedisAndPostgres => "redis",
            Engines::KafkaRedisAndPostgres => "kafka",
        };
        let binaries = tests::program::hops().await?;
        let slot = TestSlot::take(&format!("{name}-{label}")).await?;
        let engines = match engines(set, restarted_by, &binaries.path(Role::Events)).await {
            Ok(engines) => engines,
            Err(why) => {
                did_not_run(&format!("the shop's promise {name} on {set:?}"), &why);
                slot.release();
                return Ok(None);
            }
        };
        let mut options = slot.options();
        for (name, engine) in &engines {
            let url = serde_json::Value::from(engine.url());
            options = match *name {
                "database" => INVENTORY
                    .iter()
                    .fold(options, |options, pod| options.set(&format!("hop.{pod}.database"), &url)),
                name => options.set(&format!("hop.{name}.external"), &url),
            };
        }
        for pod in PODS {
            options = options.set(&format!("hop.{pod}.env"), ENV);
        }
        for (hop, recipe) in swaps {
            options = options.swap(hop, recipe);
        }
        let stage = Stage { lab: slot.start(options).await?, engines };
        // A topic's first event waits for the topic; and a Kafka that listens is not yet one that serves.
        let first = Add::new("first", "PROD-123", 1).key("first");
        stage.until_added(stage.listen(PODS[0]), &first).await?;
        Ok(Some(stage))
    }

    /// The test has succeeded.
    pub(crate) async fn finish(self) {
        self.lab.finish().await;
    }

    /// Where a hop answers.
    pub(crate) fn listen(&self, hop: &str) -> SocketAddr {
        self.lab.listen(hop)
    }

    /// Who can be killed: everything that keeps or changes data.
    pub(crate) fn victims(&self) -> Vec<&'static str> {
        let database = self.engines.contains_key("database").then_some("database");
        ["redis", "kafka"].into_iter().chain(PODS).chain(INVENTORY).chain(database).collect()
    }

    /// `kill -9`, and waits until it is back.
    pub(crate) async fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        if self.engines.contains_key(name) {
            self.stop(name);
            return self.start(name).await;
        }
        let pid = self.lab.pid(name);
        self.lab.kill(name)?;
        self.lab.ready_again(name, pid).await
    }

    /// `kill -9` of an engine of ours, which stays away.
    pub(crate) fn stop(&mut self, name: &str) {
        self.engines.get_mut(name).expect("an engine of ours").crash();
    }

    /// Starts it again.
    pub(crate) async fn start(&mut self, name: &str) -> anyhow::Result<()> {
        self.engines.get_mut(name).expect("an engine of ours").run().await.map_err(anyhow::Error::msg)
    }

    /// Holds programs up until the value is dropped: they live, and do nothing.
    pub(crate) fn freeze(&self, names: &[&str]) -> anyhow::Result<Frozen> {
        let pid = |name: &&str| {
            let pid = self.engines.get(*name).map_or_else(|| self.lab.pid(name), Engine::pid);
            pid.with_context(|| format!("{name} does not run"))
        };
        let frozen = Frozen(names.iter().map(pid).collect::<anyhow::Result<_>>()?);
        frozen.signal("STOP");
        Ok(frozen)
    }

    /// Puts so many of a product on the shelf.
    pub(crate) async fn stock(&self, product: &str, available: u32) -> anyhow::Result<()> {
        let body = format!("{{\"available\":{available}}}");
        let head = format!("PUT /stock/{product} HTTP/1.1\r\ncontent-type: application/json");
        let response = http(self.listen(INVENTORY[0]), &head, &body).await?;
        ensure!(matches!(response.status, 200 | 201), "{response:?}");
        Ok(())
    }

    /// How many are left on it.
    pub(crate) async fn left(&self, product: &str) -> anyhow::Result<i64> {
        let response = http(self.listen(INVENTORY[0]), &format!("GET /stock/{product} HTTP/1.1"), "").await?;
        response.json()?["available"].as_i64().with_context(|| format!("{response:?}"))
    }

    /// How many reservations are held.
    pub(crate) async fn held(&self) -> anyhow::Result<usize> {
        let response = http(self.listen(INVENTORY[0]), "GET /reservations HTTP/1.1", "").await?;
        Ok(response.json()?["held"].as_array().with_context(|| format!("{response:?}"))?.len())
    }

    /// Sends one request to a pod or a Service.
    pub(crate) async fn add(&self, to: SocketAddr, add: &Add) -> anyhow::Result<Response> {
        self.customers().add(to, add).await
    }

    /// Sends it, with its key, until it is acknowledged.
    pub(crate) async fn until_added(&self, to: SocketAddr, add: &Add) -> anyhow::Result<Response> {
        self.customers().until_added(to, add).await
    }

    /// Takes a product out of a cart.
    pub(crate) async fn remove(&self, to: SocketAddr, user: &str, item: &str) -> anyhow::Result<Response> {
        let token = self.customers().token(user)?;
        let head = format!("DELETE /cart/items/{item} HTTP/1.1\r\nauthorization: Bearer {token}");
        http(to, &head, "").await
    }

    /// What customers need; it can be handed to tasks.
    pub(crate) fn customers(&self) -> Customers {
        Customers { certs: self.lab.certs().clone(), host: self.lab.plan().host.clone() }
    }

    /// What Redis says to a command, line by line.
    pub(crate) async fn redis(&self, words: &[&str]) -> anyhow::Result<Vec<String>> {
        let address = self.listen("redis");
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let arguments = [&["-h", &ip, "-p", &port], words].concat();
        let said = programs::output("redis-cli", arguments).await?;
        ensure!(!said.starts_with("ERR"), "{words:?}: {said}");
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// What is wrong with the marks of reservations in Redis when all are settled: those that say `kept` go, and the
    /// others end by themselves.
    pub(crate) async fn marks(&self) -> anyhow::Result<Vec<String>> {
        let (mut kept, mut lasting) = (0, Vec::new());
        let gone = hop::wait::until("the marks of reservations to go", SETTLE_AFTER * 5, async || {
            (kept, lasting) = (0, Vec::new());
            for key in self.redis(&["KEYS", "reservation:*"]).await.ok()? {
                kept += usize::from(self.redis(&["GET", &key]).await.ok()? == ["kept"]);
                // -1: it stays for ever. -2: it went meanwhile.
                if self.redis(&["PTTL", &key]).await.ok()? == ["-1"] {
                    lasting.push(key);
                }
            }
            (kept == 0 && lasting.is_empty()).then_some(())
        });
        let outcome = gone.await.err();
        Ok(outcome
            .map(|error| format!("{error}: {kept} are kept; for ever: {lasting:?}"))
            .into_iter()
            .collect())
    }

    /// What is in these users' carts.
    pub(crate) async fn carts(&self, users: impl IntoIterator<Item = &str>) -> anyhow::Result<Carts> {
        let mut carts = Carts::new();
        for user in users {
            let lines = self.redis(&["HGETALL", &format!("cart:{user}")]).await?;
            for line in lines.chunks_exact(2) {
                carts.insert((format!("CART-{user}"), line[0].clone()), line[1].parse()?);
            }
        }
        Ok(carts)
    }

    /// Every record in Kafka, with those that are there twice, as another program reads them.
    pub(crate) async fn log(&self) -> anyhow::Result<Vec<Record>> {
        let broker = self.listen("kafka").to_string();
        let format = "%p %o %h %s\\n";
        let arguments =
            ["-C", "-b", &broker, "-t", "cart-events", "-o", "beginning", "-e", "-q", "-f", format];
        let lines = programs::output("kcat", arguments).await?;
        lines.lines().map(record).collect()
    }

    /// The records of one user's cart, after what the stage itself did.
    pub(crate) async fn log_of(&self, user: &str) -> anyhow::Result<Vec<Record>> {
        let cart = format!("CART-{user}");
        Ok(self.log().await?.into_iter().filter(|record| record.cart == cart).collect())
    }

    /// Waits until the relays have nothing left to do: no event of these users in an outbox, nothing held.
    pub(crate) async fn settled(&self, users: &[String]) -> anyhow::Result<()> {
        let outboxes: Vec<String> = users.iter().map(|user| format!("outbox:{user}")).collect();
        let words: Vec<&str> = std::iter::once("EXISTS").chain(outboxes.iter().map(String::as_str)).collect();
        let mut seen = String::new();
        let settled = hop::wait::until("outboxes and reservations to be settled", LIMIT, async || {
            let (outboxes, held) = (self.redis(&words).await, self.held().await);
            seen = format!("outboxes {outboxes:?}, held {held:?}");
            (outboxes.is_ok_and(|lines| lines == ["0"]) && held.is_ok_and(|held| held == 0)).then_some(())
        });
        settled.await.with_context(|| seen)
    }
}

/// Programs that do nothing until this is dropped.
pub(crate) struct Frozen(Vec<u32>);

impl Frozen {
    fn signal(&self, signal: &str) {
        if self.0.is_empty() {
            return;
        }
        let pids = self.0.iter().map(u32::to_string);
        let _ = Command::new("kill").arg(format!("-{signal}")).args(pids).status();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

/// An item to add.
#[derive(Clone, Debug)]
pub(crate) struct Add {
    pub(crate) user: String,
    pub(crate) product: String,
    pub(crate) quantity: u32,
    pub(crate) key: Option<String>,
    /// Hexadecimal, 32 digits.
    pub(crate) trace: String,
}

impl Add {
    pub(crate) fn new(user: &str, product: &str, quantity: u32) -> Add {
        let trace = format!("{:032x}", rand::random::<u128>());
        Add { user: user.to_owned(), product: product.to_owned(), quantity, key: None, trace }
    }

    /// With an `Idempotency-Key`.
    pub(crate) fn key(self, key: &str) -> Add {
        Add { key: Some(key.to_owned()), ..self }
    }
}

/// Can sign tokens.
#[derive(Clone)]
pub(crate) struct Customers {
    certs: Certs,
    host: String,
}

impl Customers {
    fn token(&self, user: &str) -> anyhow::Result<String> {
        self.certs.token(&self.host, user, hop::clock::now())
    }

    pub(crate) async fn add(&self, to: SocketAddr, add: &Add) -> anyhow::Result<Response> {
        let Add { user, product, quantity, key, trace } = add;
        let token = self.token(user)?;
        // The trace is not recorded: fewer spans, the same events.
        let mut head = format!(
            "POST /cart/items HTTP/1.1\r\ncontent-type: application/json\r\nauthorization: Bearer {token}\r\n\
             traceparent: 00-{trace}-00f067aa0ba902b7-00"
        );
        if let Some(key) = key {
            head += &format!("\r\nidempotency-key: \"{key}\"");
        }
        http(to, &head, &format!("{{\"productId\":\"{product}\",\"quantity\":{quantity}}}")).await
    }

    /// Sends it, with its key, until it is acknowledged.
    pub(crate) async fn until_added(&self, to: SocketAddr, add: &Add) -> anyhow::Result<Response> {
        let response = self.until_decided(to, add).await?;
        ensure!(response.status == 201, "{add:?}: {response:?}");
        Ok(response)
    }

    /// Sends it, with its key, until it is acknowledged, or refused for a reason of the customer's.
    pub(crate) async fn until_decided(&self, to: SocketAddr, add: &Add) -> anyhow::Result<Response> {
        ensure!(add.key.is_some(), "without a key it would land more than once");
        let mut last = None;
        let mut pauses = Pauses::default();
        let begun = hop::clock::monotonic();
        while hop::clock::since(begun) < LIMIT {
            match self.add(to, add).await {
                Ok(response) if response.may_be_sent_again() => last = Some(Ok(response)),
                Ok(response) => return Ok(response),
                Err(error) => last = Some(Err(error)),
            }
            pauses.next().await;
        }
        bail!("{add:?} was not decided within {LIMIT:?}: {last:?}")
    }
}

/// Longer and longer, so that those who wait for a program don't keep it from starting.
#[derive(Default)]
struct Pauses(u32);

impl Pauses {
    async fn next(&mut self) {
        let pause = Duration::from_millis(50 << self.0.min(5));
        self.0 += 1;
        let mut pause = tokio::time::interval(pause);
        pause.tick().await;
        pause.tick().await;
    }
}

/// What came back over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("{self:?}"))
    }

    /// Not the customer's fault, or another one with the same key is at it.
    fn may_be_sent_again(&self) -> bool {
        self.status >= 500 || self.body.contains("request-in-progress")
    }
}

/// One request on a connection of its own; `head` is all but what every request has.
pub(crate) async fn http(to: SocketAddr, head: &str, body: &str) -> anyhow::Result<Response> {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        let length = body.len();
        let request =
            format!("{head}\r\nhost: {to}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        let (head, body) = response.split_once("\r\n\r\n").context("the connection broke")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(Response { status: status.context("no status")?, body: body.to_owned() })
    };
    tokio::time::timeout(ANSWER, exchange).await.with_context(|| format!("{to} did not answer"))?
}

async fn engines(
    set: Engines,
    restarted_by: RestartedBy,
    events: &std::path::Path,
) -> Result<BTreeMap<&'static str, Engine>, String> {
    let mut engines = BTreeMap::new();
    if set != Engines::Defaults {
        engines.insert("redis", Engine::redis().await?);
        engines.insert("database", Engine::postgres().await?);
    }
    if set == Engines::KafkaRedisAndPostgres {
        let workspace = tests::program::root().map_err(|error| error.to_string())?;
        engines.insert("kafka", Engine::kafka(&workspace).await?);
    } else if restarted_by == RestartedBy::Test {
        engines.insert("kafka", Engine::events(events).await?);
    }
    Ok(engines)
}

/// A line that kcat wrote: partition, offset, headers, and the event.
fn record(line: &str) -> anyhow::Result<Record> {
    let mut fields = line.splitn(4, ' ');
    let mut field = || fields.next().with_context(|| format!("kcat wrote {line:?}"));
    let (partition, offset, headers, event) = (field()?, field()?, field()?, field()?);
    let event: Value = serde_json::from_str(event).with_context(|| format!("kcat wrote {line:?}"))?;
    let text = |name: &str| {
        let value = event[name].as_str().map(str::to_owned);
        value.with_context(|| format!("no {name} in {event}"))
    };
    let trace = headers.split("traceparent=00-").nth(1).and_then(|rest| rest.split('-').next());
    Ok(Record {
        partition: partition.parse()?,
        offset: offset.parse()?,
        event: text("eventId")?,
        kind: text("type")?,
        cart: text("cartId")?,
        product: text("productId")?,
        quantity: event["quantity"].as_i64().with_context(|| format!("no quantity in {event}"))?,
        trace: trace.with_context(|| format!("no trace in {headers}"))?.to_owned(),
    })
}
