//! The same promises on each database: SQLite, and a real PostgreSQL.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use inventory::stock::{Change, Item, Released, Reservation, Stock, Taken};
use sql_client::{DatabaseError, DatabaseUrl};

use crate::engines::{Engine, did_not_run};

/// How long a server may take.
const LIMIT: Duration = Duration::from_secs(60);

fn item(id: &str, available: u32) -> Item {
    Item { product_id: id.parse().unwrap(), available }
}

fn of_a(id: &str, quantity: u32) -> Reservation {
    Reservation { reservation_id: id.parse().unwrap(), product_id: "A".parse().unwrap(), quantity }
}

#[tokio::test]
async fn sqlite_keeps_the_promises() {
    let folder = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(folder.path().join("stock.db"));
    promises(&url).await;
    never_too_many(&url).await;
}

/// A real server, unless there is none here.
async fn postgres(test: &str) -> Option<(Engine, DatabaseUrl)> {
    match Engine::postgres().await {
        Ok(server) => {
            let url = server.url().parse().unwrap();
            Some((server, url))
        }
        Err(why) => {
            did_not_run(test, &why);
            None
        }
    }
}

#[tokio::test]
async fn postgres_keeps_the_promises() {
    let Some((_server, url)) = postgres("the stock in PostgreSQL").await else { return };
    // It answers a little before it takes logins.
    let opened = hop::wait::until("a login", LIMIT, async || Stock::open(&url, &[]).await.ok());
    opened.await.unwrap();
    promises(&url).await;
    never_too_many(&url).await;
}

#[tokio::test]
async fn a_postgres_that_dies_comes_back_with_what_it_acknowledged() {
    let Some((mut server, url)) = postgres("the stock in a PostgreSQL that dies").await else { return };
    let opened = hop::wait::until("a login", LIMIT, async || Stock::open(&url, &[item("A", 5)]).await.ok());
    let stock = opened.await.unwrap();
    assert_eq!(stock.reserve(of_a("r1", 2), 1).await.unwrap(), Taken::Now);
    server.crash();
    let error = stock.reserve(of_a("r2", 2), 1).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error:?}");
    server.run().await.unwrap();
    let again =
        hop::wait::until("PostgreSQL to be back", LIMIT, async || stock.reserve(of_a("r1", 2), 1).await.ok());
    assert_eq!(again.await.unwrap(), Taken::Before);
    assert_eq!(stock.find(&"A".parse().unwrap()).await.unwrap(), Some(3));
}

#[tokio::test]
async fn a_postgres_that_is_not_there_is_named() {
    let url: DatabaseUrl = "postgres://shop@127.0.0.1:1/stock".parse().unwrap();
    let error = format!("{:#}", Stock::open(&url, &[]).await.err().expect("nobody there"));
    assert!(error.contains("is PostgreSQL running where DATABASE_URL says"), "{error}");
}

async fn promises(url: &DatabaseUrl) {
    let stock = Stock::open(url, &[item("A", 10), item("b", 1)]).await.unwrap();
    let a = "A".parse().unwrap();
    let left = async || stock.find(&a).await.unwrap().unwrap();

    // Numbers.
    assert_eq!(stock.set(item("C", u32::MAX)).await.unwrap(), Change::Created);
    assert_eq!(stock.set(item("C", 3)).await.unwrap(), Change::Replaced);
    assert_eq!(stock.list(10).await.unwrap(), [item("A", 10), item("C", 3), item("b", 1)]);
    assert_eq!(stock.list(1).await.unwrap().len(), 1);
    assert_eq!(stock.find(&"D".parse().unwrap()).await.unwrap(), None);

    // Taking.
    assert_eq!(stock.reserve(of_a("r1", 7), 100).await.unwrap(), Taken::Now);
    assert_eq!(stock.reserve(of_a("r1", 7), 101).await.unwrap(), Taken::Before);
    assert_eq!(stock.reserve(of_a("r1", 6), 101).await.unwrap(), Taken::Other);
    assert_eq!(stock.reserve(of_a("r2", 4), 102).await.unwrap(), Taken::TooFew(3));
    assert_eq!(
        stock.reserve(of_a("r2", 3), 102).await.unwrap(),
        Taken::Now,
        "refused before, but not for ever"
    );
    let unknown = Reservation { product_id: "D".parse().unwrap(), ..of_a("r3", 1) };
    assert_eq!(stock.reserve(unknown, 103).await.unwrap(), Taken::Unknown);
    assert_eq!(left().await, 0);

    // Confirming and giving back.
    assert_eq!(stock.held(200, 10).await.unwrap(), [of_a("r1", 7), of_a("r2", 3)]);
    assert_eq!(stock.held(101, 10).await.unwrap(), [of_a("r1", 7)]);
    stock.confirm(vec!["r1".parse().unwrap(), "nobody".parse().unwrap()], 200).await.unwrap();
    let release = async |id: &str| stock.release(id.parse().unwrap(), a.clone(), 201).await.unwrap();
    assert_eq!(release("r1").await, Released::Confirmed);
    for _ in 0..2 {
        assert_eq!(release("r2").await, Released::Done);
    }
    assert_eq!(left().await, 3);
    assert_eq!(release("r9").await, Released::Done);
    for id in ["r2", "r9"] {
        assert_eq!(stock.reserve(of_a(id, 3), 202).await.unwrap(), Taken::Ended);
    }
    assert!(stock.restock(of_a("e1", 7), 203).await.unwrap());
    assert!(!stock.restock(of_a("e1", 7), 204).await.unwrap());
    assert_eq!(left().await, 10);
    assert_eq!(stock.held(1_000, 10).await.unwrap(), []);

    // What is over is forgotten after a week; what is held never.
    assert_eq!(stock.reserve(of_a("r4", 1), 205).await.unwrap(), Taken::Now);
    stock.confirm(vec![], 206 + inventory::stock::MEMORY).await.unwrap();
    assert_eq!(stock.reserve(of_a("r1", 1), 207).await.unwrap(), Taken::Now);
    assert_eq!(stock.reserve(of_a("r4", 1), 208).await.unwrap(), Taken::Before);

    // Another instance sees the same; a seed changes nothing that is there.
    let other = Stock::open(url, &[item("A", 99)]).await.unwrap();
    assert_eq!(other.find(&a).await.unwrap(), Some(8));
}

/// Two instances, many at once, some of them under the same names.
async fn never_too_many(url: &DatabaseUrl) {
    let one = Stock::open(url, &[]).await.unwrap();
    let two = Stock::open(url, &[]).await.unwrap();
    one.set(item("A", 40)).await.unwrap();
    let taken = AtomicU32::new(0);
    let take = async |stock: &Stock, name: &str| {
        for number in 0..15 {
            let outcome = stock.reserve(of_a(&format!("{name}-{number}"), 1), 300).await.unwrap();
            taken.fetch_add(u32::from(outcome == Taken::Now), Ordering::Relaxed);
        }
    };
    tokio::join!(take(&one, "x"), take(&two, "x"), take(&one, "y"), take(&two, "z"));
    assert_eq!(taken.load(Ordering::Relaxed), 40, "of 45 names");
    assert_eq!(two.find(&"A".parse().unwrap()).await.unwrap(), Some(0));
}
