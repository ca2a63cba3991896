//! One cart's trouble stays its own: an outbox with very many events in it, entries that are no events, a key of a
//! wrong type. Other carts' events are told, reservations are settled, and the cart itself goes on as soon as it can.

use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::check::distinct;
use super::stage::{Add, Engines, LIMIT, PODS, RestartedBy, Stage};

/// More than fit into one answer of Redis or one message to Kafka.
const CROWD: usize = 16_000;
const STOCK: u32 = 1_000;

pub(crate) async fn one_carts_trouble_stays_its_own(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "trouble", RestartedBy::Lab).await? else { return Ok(()) };
    stage.stock("PROD-T", STOCK).await?;
    let held = reserve_and_die(&stage).await?;

    let mut commands = String::new();
    for number in 0..CROWD {
        add(&mut commands, "crowded", &event("crowded", &format!("crowd-{number:05}")));
    }
    // Between two events of one cart: nothing, a wrong field, no JSON, another's event.
    add(&mut commands, "broken", &event("broken", "before"));
    commands += "XADD outbox:broken * what nothing\r\n";
    add(&mut commands, "broken", "{}");
    add(&mut commands, "broken", &event("crowded", "stolen"));
    add(&mut commands, "broken", &event("broken", "after"));
    commands += "SET outbox:wrong text\r\nHSET outboxes wrong 1\r\nHSET outboxes empty 1\r\n";
    add(&mut commands, "waits", &event("waits", "of-another-cart"));
    send(&stage, commands).await?;

    // Nobody asks for these carts: the relays tell.
    let users = ["crowded", "broken", "waits"].map(str::to_owned);
    stage.settled(&users).await?;
    ensure!(stage.left("PROD-T").await? == i64::from(STOCK), "{held} is settled all the same");
    let log = stage.log().await?;
    let told = |user: &str| -> Vec<String> {
        let cart = format!("CART-{user}");
        distinct(&log)
            .iter()
            .filter(|record| record.cart == cart)
            .map(|record| record.event.clone())
            .collect()
    };
    let crowd: Vec<String> = (0..CROWD).map(|number| format!("crowd-{number:05}")).collect();
    ensure!(told("crowded") == crowd, "{} of {CROWD}, or not in order", told("crowded").len());
    ensure!(told("broken") == ["before", "after"], "{:?}", told("broken"));
    ensure!(told("waits") == ["of-another-cart"], "{:?}", told("waits"));
    let records = log.iter().filter(|record| record.cart == "CART-crowded").count();
    ensure!(records * 10 <= CROWD * 11, "{records} records of {CROWD} events");

    // What is no event is kept as it was, and said, with the cart's name.
    let letters = stage.redis(&["XRANGE", "outbox.dead-letters", "-", "+"]).await?;
    let lines = |wanted: &str| letters.iter().filter(|line| *line == wanted).count();
    ensure!(lines("outbox:broken") == 3 && lines("nothing") == 1 && lines("{}") == 1, "{letters:?}");
    ensure!(letters.iter().any(|line| line.contains("\"stolen\"")), "{letters:?}");
    let logs = PODS.map(|pod| stage.lab.log(pod)).concat();
    ensure!(logs.matches("outbox.dead-letters").count() == 3 && logs.contains("CART-broken"), "{logs}");
    ensure!(
        logs.contains("CART-wrong: redis answered: WRONGTYPE") || logs.contains("CART-wrong: WRONGTYPE"),
        "{logs}"
    );
    let left = stage.redis(&["HKEYS", "outboxes"]).await?;
    ensure!(left.iter().all(|user| user == "wrong"), "empty outboxes are dropped: {left:?}");

    // And the cart's own customers are served.
    for (pod, user) in PODS.into_iter().zip(users) {
        stage.until_added(stage.listen(pod), &Add::new(&user, "PROD-T", 1).key("afterwards")).await?;
    }
    stage.finish().await;
    Ok(())
}

/// A customer whose outbox is full of what others left behind gets the item into the cart and the event told.
pub(crate) async fn a_customer_tells_what_was_left_behind(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "left-behind", RestartedBy::Lab).await? else { return Ok(()) };
    stage.stock("PROD-B", STOCK).await?;
    let mut commands = String::new();
    for number in 0..250 {
        // From long ago, and not in the index: no relay looks here.
        let _ = write!(
            commands,
            "XADD outbox:heir 1-{} event '{}' traceparent {TRACE}\r\n",
            number + 1,
            event("heir", &format!("left-{number:03}"))
        );
    }
    commands += "XADD outbox:heir 1-1000 what nothing\r\n";
    // Kafka has these already: whoever told them died before it could note it.
    let there: Vec<String> = (0..5).map(|number| event("heir", &format!("left-{number:03}"))).collect();
    let mut file = tempfile::NamedTempFile::new()?;
    std::io::Write::write_all(&mut file, there.join("\n").as_bytes())?;
    let (broker, header) = (stage.listen("kafka").to_string(), format!("traceparent={TRACE}"));
    let path = file.path().to_str().context("a plain path")?;
    let how = ["-P", "-b", &broker, "-t", "cart-events", "-k", "CART-heir", "-H", &header, "-l", path];
    tests::programs::output("kcat", [&how[..], &["-X", "partitioner=murmur2_random"]].concat()).await?;
    send(&stage, commands).await?;
    let adds: Vec<Add> = (0..6).map(|n| Add::new("heir", "PROD-B", 1).key(&format!("heir-{n}"))).collect();
    let mut sent = tokio::task::JoinSet::new();
    for (number, add) in adds.iter().cloned().enumerate() {
        let (customers, to) = (stage.customers(), stage.listen(PODS[number % PODS.len()]));
        sent.spawn(async move { customers.until_added(to, &add).await });
    }
    for response in sent.join_all().await {
        response?;
    }
    let log = stage.log_of("heir").await?;
    let events: Vec<&str> = distinct(&log).iter().map(|record| record.event.as_str()).collect();
    let left: Vec<String> = (0..250).map(|number| format!("left-{number:03}")).collect();
    ensure!(events.len() == 256 && events[..250] == left, "what was there before comes first: {events:?}");
    ensure!(log.len() <= 256 * 11 / 10, "{} records", log.len());
    for number in 0..5 {
        let event = format!("left-{number:03}");
        let times = log.iter().filter(|record| record.event == event).count();
        ensure!(times == 1, "{event} was told again: it is there {times} times");
    }
    stage.settled(&["heir".to_owned()]).await?;
    stage.finish().await;
    Ok(())
}

/// Keys and entries that somebody wrote by hand: whom they are about waits at most for people, and nobody else does.
pub(crate) async fn what_makes_no_sense_is_set_aside_or_said(set: Engines) -> anyhow::Result<()> {
    let Some(stage) = Stage::open(set, "junk", RestartedBy::Lab).await? else { return Ok(()) };
    stage.stock("PROD-J", STOCK).await?;
    let mut commands = String::new();
    // The first four returns can never be brought, and the fifth can.
    for (product, quantity) in
        [("PROD-J", 0), ("PROD-J", -7), ("PROD-X/../J", 1), ("../../stock", 1), ("PROD-J", 5)]
    {
        let event = event("junk", &format!("return-{quantity}-{}", product.len()));
        let event = event.replace("PROD-X", product).replace(":1,\"at\"", &format!(":{quantity},\"at\""));
        let _ = write!(commands, "XADD returns * event '{event}' traceparent {TRACE}\r\n");
    }
    // A name that no reservation has, and one that may be one's.
    commands += "HSET reservations.confirming 'no name' 1\r\nHSET reservations.confirming gone 1\r\n";
    // From the far future: all places behind it are, too.
    let _ = write!(
        commands,
        "XADD outbox:ahead 9999999999999-0 event '{}' traceparent {TRACE}\r\n",
        event("ahead", "early")
    );
    commands += "HSET outboxes ahead 1\r\n";
    // A claim that does not end by itself.
    let _ = write!(
        commands,
        "XADD outbox:claimed 1-1 event '{}' traceparent {TRACE}\r\n",
        event("claimed", "stuck")
    );
    commands += "HSET outboxes claimed 1\r\nSET outbox.claim:claimed nobody\r\n";
    // A line that is no number: the transaction would be half done.
    commands += "HSET cart:broken PROD-J many\r\n";
    add(&mut commands, "other", &event("other", "told"));
    send(&stage, commands).await?;

    stage.settled(&["ahead", "other"].map(str::to_owned)).await?;
    let mut left = Vec::new();
    let tidied = hop::wait::until("returns and confirmations to be finished", LIMIT, async || {
        left = vec![
            stage.redis(&["XLEN", "returns"]).await.ok()?,
            stage.redis(&["HKEYS", "reservations.confirming"]).await.ok()?,
        ];
        (left[0] == ["0"] && left[1].iter().all(String::is_empty)).then_some(())
    });
    tidied.await.with_context(|| format!("{left:?}"))?;
    ensure!(stage.left("PROD-J").await? == i64::from(STOCK) + 5, "the fifth return, once");
    let letters = stage.redis(&["XRANGE", "outbox.dead-letters", "-", "+"]).await?;
    ensure!(letters.iter().filter(|line| *line == "returns").count() == 4, "{letters:?}");
    let ahead = Add::new("ahead", "PROD-J", 1).key("behind");
    stage.until_added(stage.listen(PODS[0]), &ahead).await?;
    ensure!(distinct(&stage.log_of("ahead").await?).len() == 2);

    let refused = stage.add(stage.listen(PODS[1]), &Add::new("broken", "PROD-J", 1)).await?;
    ensure!(refused.status == 503 && refused.body.contains("Nothing was added"), "{refused:?}");
    ensure!(
        stage.redis(&["EXISTS", "outbox:broken"]).await? == ["0"],
        "nothing is told of what was not done"
    );

    let said = hop::wait::until("the claimed cart to be named", LIMIT, async || {
        let logs = PODS.map(|pod| stage.lab.log(pod)).concat();
        logs.contains("CART-claimed: outbox.claim:claimed").then_some(())
    });
    said.await?;
    stage.redis(&["DEL", "outbox.claim:claimed"]).await?;
    stage.settled(&["claimed".to_owned()]).await?;
    stage.finish().await;
    Ok(())
}

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// An inline command (RESP): an entry in an outbox, and the customer in the index.
fn add(commands: &mut String, user: &str, event: &str) {
    let _ = write!(
        commands,
        "XADD outbox:{user} * event '{event}' traceparent {TRACE}\r\nHSET outboxes {user} 1\r\n"
    );
}

fn event(user: &str, id: &str) -> String {
    // The same for all: an event is looked for in Kafka by its JSON. And of today: Kafka deletes records by their time.
    static AT: LazyLock<u64> = LazyLock::new(|| hop::clock::now() / 1_000_000);
    let at = *AT;
    format!(
        r#"{{"type":"item-added","eventId":"{id}","cartId":"CART-{user}","itemId":"ITEM-X","productId":"PROD-X","quantity":1,"at":{at}}}"#
    )
}

/// Sends many commands at once and reads as many replies.
async fn send(stage: &Stage, commands: String) -> anyhow::Result<()> {
    let count = commands.matches("\r\n").count();
    let mut stream = TcpStream::connect(stage.listen("redis")).await?;
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(commands.as_bytes()).await?;
        writer.write_all(b"PING\r\n").await
    };
    let read = async {
        let mut replies = Vec::new();
        while !replies.ends_with(b"+PONG\r\n") {
            ensure!(reader.read_buf(&mut replies).await? > 0, "Redis closed the connection");
        }
        Ok(String::from_utf8_lossy(&replies).into_owned())
    };
    let (written, replies) = tokio::time::timeout(LIMIT, async { tokio::join!(write, read) }).await?;
    written.context("send commands")?;
    let replies = replies?;
    let errors: Vec<&str> = replies.lines().filter(|line| line.starts_with('-')).collect();
    ensure!(errors.is_empty(), "{count} commands: {errors:?}");
    Ok(())
}

/// Units that are held for a request that is dead.
async fn reserve_and_die(stage: &Stage) -> anyhow::Result<&'static str> {
    let to = stage.listen(super::stage::INVENTORY[0]);
    let head = "POST /stock/PROD-T/reservations HTTP/1.1\r\ncontent-type: application/json";
    let body = r#"{"reservationId":"of-the-dead","quantity":5}"#;
    let response = super::stage::http(to, head, body).await?;
    ensure!(response.status == 201, "{response:?}");
    Ok("of-the-dead")
}
