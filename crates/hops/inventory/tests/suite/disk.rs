//! When the disk is full: the real program on a small disk of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::engines::did_not_run;
use crate::small_disk::SmallDisk;

/// Nothing takes this long unless it is broken.
const LIMIT: Duration = Duration::from_secs(60);
const STOCK: u64 = 1_000_000;

/// The service as a process. Dropping it is `kill -9`.
struct Inventory {
    address: SocketAddr,
    process: Child,
}

impl Inventory {
    async fn start(database: &Path) -> Self {
        let address = hop::listen::own_loopback();
        let mut command = Command::new(env!("CARGO_BIN_EXE_inventory"));
        command
            .env("LISTEN", address.to_string())
            .env("DATABASE_URL", format!("sqlite:{}", database.display()));
        command.env("SEED", format!("A={STOCK}")).env("RUST_LOG", "warn").env_remove("ADMIN");
        command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT").stdin(Stdio::null());
        let inventory = Inventory { address, process: command.spawn().unwrap() };
        let listens = hop::wait::until("the service to listen", LIMIT, async || {
            TcpStream::connect(address).await.ok().map(drop)
        });
        listens.await.unwrap();
        inventory
    }

    /// Status and body.
    async fn send(&self, head: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: inventory\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    /// Takes one unit.
    async fn reserve(&self, number: u64) -> (u16, Value) {
        let body = format!("{{\"reservationId\":\"r{number}\",\"quantity\":1}}");
        self.send("POST /stock/A/reservations", &body).await
    }

    async fn left(&self) -> u64 {
        let (status, body) = self.send("GET /stock/A", "").await;
        assert_eq!(status, 200, "{body}");
        body["available"].as_u64().unwrap()
    }
}

impl Drop for Inventory {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_nothing_and_recovers() {
    let disk = match SmallDisk::mount(2) {
        Ok(disk) => disk,
        Err(why) => return did_not_run("the inventory's full disk", &why),
    };
    // Something else fills the disk, too, and will go away again.
    let filler = disk.path().join("filler");
    std::fs::write(&filler, vec![1; 1 << 20]).unwrap();
    let database = disk.path().join("stock.db");
    let inventory = Inventory::start(&database).await;
    let (mut taken, mut refused) = (0, 0);
    while refused < 5 {
        match inventory.reserve(taken).await {
            (201, _) => taken += 1,
            (status, problem) => {
                assert_eq!((status, &problem["fault"]), (507, &"ours".into()), "{problem}");
                let detail = problem["detail"].as_str().unwrap();
                assert!(detail.contains("full"), "{detail}");
                refused += 1;
            }
        }
        assert!(taken < 20_000, "the disk never fills");
    }
    assert!(taken > 50, "{taken}");
    assert_eq!(inventory.left().await, STOCK - taken, "reading goes on, and nothing refused was taken");
    // Killed while the disk is full, it comes back with all that it had acknowledged.
    drop(inventory);
    let inventory = Inventory::start(&database).await;
    assert_eq!(inventory.left().await, STOCK - taken);

    std::fs::remove_file(&filler).unwrap();
    let again = hop::wait::until("writes to be taken again", LIMIT, async || {
        (inventory.reserve(taken).await.0 == 201).then_some(())
    });
    again.await.expect("it recovers by itself");
    drop(inventory);
    let inventory = Inventory::start(&database).await;
    assert_eq!(inventory.left().await, STOCK - taken - 1);
    // What was acknowledged before is known by its name.
    for number in [0, taken / 2, taken] {
        assert_eq!(inventory.reserve(number).await.0, 200, "r{number} was taken before");
    }
}
