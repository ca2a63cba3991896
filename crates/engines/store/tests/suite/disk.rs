//! A disk that is full, and one that lies: real files, the real program.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client::{Client, Reply};
use crate::engines::did_not_run;
use crate::servers::Server;
use crate::small_disk::SmallDisk;

/// Sets `k0`, `k1` ... until one is refused; returns how many were taken and the refusal.
fn fill(client: &mut Client) -> (usize, String) {
    let value = "x".repeat(1000);
    for at in 0..3000 {
        match client.say(&format!("set k{at} {value}")).expect("a reply") {
            Reply::Line('+', _) => {}
            Reply::Line('-', text) => return (at, text),
            other => panic!("{other:?}"),
        }
    }
    panic!("three MB fit on a disk of two MiB");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_loses_nothing_and_recovers() {
    let disk = match SmallDisk::mount(2) {
        Ok(disk) => disk,
        Err(why) => return did_not_run("the store's full disk", &why),
    };
    // Something else fills the disk, too, and will go away again.
    std::fs::write(disk.path().join("ballast"), vec![0; 1 << 20]).expect("room");
    let data = disk.path().join("data");
    let store = Server::store_on(&data, &[]).await;
    let mut client = Client::connect(store.address).expect("it listens");
    let (taken, refusal) = fill(&mut client);
    assert!(
        refusal.starts_with("MISCONF Errors writing to the AOF file: No space left on device"),
        "{refusal}"
    );
    assert!(taken > 100, "{taken}");
    // Reads go on, and see nothing of what was refused.
    let count = Reply::Line(':', taken.to_string());
    assert_eq!(client.say("dbsize").expect("a reply"), count);
    assert_eq!(client.say(&format!("get k{taken}")).expect("a reply"), Reply::Bulk('$', None));
    let refused = |reply: &Reply| matches!(reply, Reply::Line('-', text) if text.starts_with("MISCONF"));
    assert!(refused(&client.say("del k0").expect("a reply")), "a write is a write");
    // A rewrite finds no room either; that changes nothing.
    client.say("bgrewriteaof").expect("a reply");
    assert_eq!(client.say("dbsize").expect("a reply"), count);
    // Killed while the disk is full, it comes back with all that it had acknowledged.
    store.kill();
    let store = Server::store_on(&data, &[]).await;
    let mut client = Client::connect(store.address).expect("it listens");
    assert_eq!(client.say("dbsize").expect("a reply"), count);
    let (_, _) = fill(&mut client);

    std::fs::remove_file(disk.path().join("ballast")).expect("it is there");
    hop::wait::until("writes to be taken again", Duration::from_secs(20), async || {
        (!refused(&client.say("set again 1").expect("a reply"))).then_some(())
    })
    .await
    .expect("it recovers by itself");
    assert_eq!(client.say("exists again k0").expect("a reply"), Reply::Line(':', "2".into()));
    store.kill();
    let store = Server::store_on(&data, &[]).await;
    let mut client = Client::connect(store.address).expect("it listens");
    assert_eq!(client.say("exists again k0").expect("a reply"), Reply::Line(':', "2".into()));
    store.kill();
}

/// The log of a store that was killed after it had acknowledged 100 keys.
async fn log_of_a_hundred_keys(folder: &Path) -> PathBuf {
    let store = Server::store_on(folder, &[]).await;
    let mut client = Client::connect(store.address).expect("it listens");
    for at in 0..100 {
        client.say(&format!("set k{at} v")).expect("a reply");
    }
    store.kill();
    folder.join("appendonly.aof")
}

#[tokio::test]
async fn a_flipped_byte_is_named_and_what_is_before_it_can_be_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = log_of_a_hundred_keys(folder.path()).await;
    let whole = std::fs::read(&log).expect("the log");
    let mut bytes = whole.clone();
    // A value, not an annotation: one that is no longer recognised as ours passes for one of Redis's, which
    // loses its check but no command.
    let middle = bytes.len() / 2;
    let value = bytes[middle..].windows(5).position(|window| window == b"\r\nv\r\n").expect("a value");
    let at = middle + value + 2;
    bytes[at] ^= 0x04;
    std::fs::write(&log, &bytes).expect("write");

    let mut command = Command::new(env!("CARGO_BIN_EXE_store"));
    command.args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let output = command.output().expect("it runs");
    assert!(!output.status.success(), "it started on a damaged log");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(&format!("{}: damaged at byte ", log.display())), "{text}");
    assert!(text.contains("nothing was changed"), "{text}");
    assert_eq!(std::fs::read(&log).expect("the log"), bytes, "it changed a damaged log");

    // It says where the good part ends, and how much is in it.
    let good = text.split("truncate -s ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a way out");
    let good: usize = good.parse().expect("a position");
    assert!(good <= at && at - good < 200, "byte {at} was changed, but good is only {good}");
    let keys: usize = text
        .split(&format!("everything before byte {good} is whole ("))
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .expect("what is kept")
        .parse()
        .expect("a number");
    std::fs::write(&log, &whole[..good]).expect("write");
    let store = Server::store_on(folder.path(), &[]).await;
    let mut client = Client::connect(store.address).expect("it listens");
    assert_eq!(client.say("dbsize").expect("a reply"), Reply::Line(':', keys.to_string()));
    assert!((30..70).contains(&keys), "{keys}");
    assert_eq!(
        client.say(&format!("get k{}", keys - 1)).expect("a reply"),
        Reply::Bulk('$', Some("v".into()))
    );
    store.kill();
}

#[tokio::test]
async fn after_a_power_cut_that_left_zeros_it_starts_and_keeps_the_bytes_aside() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = log_of_a_hundred_keys(folder.path()).await;
    let mut bytes = std::fs::read(&log).expect("the log");
    let from = bytes.len() - 10;
    bytes[from..].fill(0);
    bytes.resize(bytes.len() + 4096, 0);
    std::fs::write(&log, &bytes).expect("write");
    let store = Server::store_on(folder.path(), &[]).await;
    let mut client = Client::connect(store.address).expect("it listens");
    assert_eq!(client.say("dbsize").expect("a reply"), Reply::Line(':', "99".into()));
    assert_eq!(client.say("set k99 v").expect("a reply"), Reply::Line('+', "OK".into()));
    let kept =
        std::fs::read_dir(folder.path()).expect("the folder").map(|entry| entry.expect("an entry").path());
    let kept: Vec<_> = kept.filter(|path| path.to_string_lossy().contains(".unfinished-")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert!(bytes.ends_with(&std::fs::read(&kept[0]).expect("read")));
    store.kill();
}
