use std::path::PathBuf;
use std::time::Duration;

use rusqlite::OptionalExtension as _;

use super::*;

const TABLES: &str =
    "CREATE TABLE IF NOT EXISTS item (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT";

async fn open(path: &Path) -> anyhow::Result<Sqlite> {
    let verify = |reader: &Connection| reader.query_row("SELECT count(name) FROM item", [], |_| Ok(()));
    Sqlite::open(path, |start| start.execute_batch(TABLES), verify).await
}

impl Sqlite {
    async fn set(&self, name: &str, number: u32) -> Result<usize, DatabaseError> {
        let name = name.to_owned();
        let sql = "INSERT INTO item VALUES (?1, ?2) ON CONFLICT DO UPDATE SET number = ?2";
        self.write(move |transaction| transaction.execute(sql, (&name, number))).await
    }

    fn number(&self, name: &str) -> Option<u32> {
        let sql = "SELECT number FROM item WHERE name = ?1";
        self.read(|reader| reader.query_row(sql, [name], |row| row.get(0)).optional()).unwrap()
    }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/items.db");
    (folder, path)
}

async fn error_of(path: &Path) -> String {
    format!("{:#}", open(path).await.err().expect("an error"))
}

#[tokio::test]
async fn every_commit_waits_for_the_disk() {
    let (_folder, path) = folder();
    let database = open(&path).await.unwrap();
    let pragma = async |name: &'static str| {
        let value = move |transaction: &Transaction<'_>| {
            transaction.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        };
        database.write(value).await.unwrap()
    };
    assert_eq!(pragma("journal_mode").await, "wal".to_owned().into());
    assert_eq!(pragma("synchronous").await, 2.into(), "2 is FULL");
}

#[test]
fn many_instances_may_start_at_once_on_a_new_file() {
    let (_folder, path) = folder();
    let open = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(open(&path)).unwrap().number("A")
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), None);
        }
    });
}

#[tokio::test]
async fn reads_go_on_while_another_instance_writes() {
    let (_folder, path) = folder();
    let database = open(&path).await.unwrap();
    database.set("A", 1).await.unwrap();
    // Our own write will wait for its turn, and give up in the end without harm.
    let timeout = |transaction: &Transaction<'_>| transaction.busy_timeout(Duration::from_millis(1));
    database.write(timeout).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE item SET number = 9").unwrap();
    assert_eq!(database.number("A"), Some(1));
    let error = database.set("A", 2).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Unavailable(_)), "{error:?}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(database.set("A", 2).await.unwrap(), 1);
}

#[tokio::test]
async fn a_full_disk_fails_the_write_and_nothing_else() {
    let (_folder, path) = folder();
    let database = open(&path).await.unwrap();
    database.set("A", 1).await.unwrap();
    // The file may not grow, and its last page is used up.
    let limit = |transaction: &Transaction<'_>| {
        transaction.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(()))
    };
    database.write(limit).await.unwrap();
    let mut number = 0;
    let full = loop {
        number += 1;
        if let Err(error) = database.set(&format!("{number:064}"), 0).await {
            break error;
        }
        assert!(number < 10_000, "never full");
    };
    assert!(matches!(full, DatabaseError::Full(_)), "{full:?}");
    assert_eq!((database.number("A"), database.number(&format!("{number:064}"))), (Some(1), None));
    assert_eq!(database.set("A", 2).await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "these are my notes, and they are not a database\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    let error = error_of(&path).await;
    assert!(error.contains("notes.txt: it is not a SQLite database"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let (_folder, path) = folder();
    let database = open(&path).await.unwrap();
    let fill = |transaction: &Transaction<'_>| {
        (0..2_000).try_for_each(|n| {
            let row = (format!("PROD-{n:050}"), n);
            transaction.execute("INSERT INTO item VALUES (?1, ?2)", row).map(drop)
        })
    };
    database.write(fill).await.unwrap();
    drop(database);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_192].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    let error = error_of(&path).await;
    assert!(error.contains("it is damaged"), "{error}");
}

#[tokio::test]
async fn someone_elses_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE item (isin TEXT)").unwrap();
    let error = error_of(&path).await;
    assert!(error.contains("are not this program's"), "{error}");
}

#[tokio::test]
async fn a_folder_in_the_way_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of(folder.path()).await;
    assert!(error.contains("open the database") && error.contains("may write"), "{error}");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = error_of(&file.join("items.db")).await;
    assert!(error.contains("create the folder"), "{error}");
}

#[tokio::test]
async fn one_that_fails_takes_nobody_with_it() {
    let (_folder, path) = folder();
    let database = open(&path).await.unwrap();
    let wrong = database.write(|transaction| transaction.execute("INSERT INTO nowhere VALUES (1)", []));
    // They wait at the same moment, so they are one group at first.
    let (first, wrong, last) = tokio::join!(database.set("A", 1), wrong, database.set("B", 2));
    assert_eq!((first.unwrap(), last.unwrap()), (1, 1));
    assert!(matches!(wrong, Err(DatabaseError::Broken(_))), "{wrong:?}");
    assert_eq!((database.number("A"), database.number("B")), (Some(1), Some(2)));
}
