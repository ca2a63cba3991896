use super::*;
use Sqlite as Stock;

fn item(id: &str, available: u32) -> Item {
    Item { product_id: id.parse().unwrap(), available }
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/stock.db");
    (folder, path)
}

async fn error_of(path: &Path) -> String {
    format!("{:#}", Stock::open(path, &[]).await.err().expect("an error"))
}

#[tokio::test]
async fn what_was_set_is_found_and_survives_reopening() {
    let (_folder, path) = folder();
    let stock = Stock::open(&path, &[item("A", 5)]).await.unwrap();
    assert_eq!(stock.set(item("B", 7)).await.unwrap(), Change::Created);
    assert_eq!(stock.set(item("A", 4)).await.unwrap(), Change::Replaced);
    drop(stock);
    // The seed is given again, and changes nothing that is there.
    let stock = Stock::open(&path, &[item("A", 5), item("C", 1)]).await.unwrap();
    assert_eq!(stock.list(10).await.unwrap(), [item("A", 4), item("B", 7), item("C", 1)]);
    assert_eq!(stock.list(2).await.unwrap().len(), 2);
    assert_eq!(stock.find(&"D".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn every_commit_waits_for_the_disk() {
    let (_folder, path) = folder();
    let stock = Stock::open(&path, &[]).await.unwrap();
    let writer = stock.writer.lock().await;
    let pragma = |name| writer.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
    assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
    assert_eq!(pragma("synchronous").unwrap(), 2.into(), "2 is FULL");
}

#[tokio::test]
async fn two_instances_share_one_file() {
    let (_folder, path) = folder();
    let one = Stock::open(&path, &[item("A", 1)]).await.unwrap();
    let two = Stock::open(&path, &[item("A", 2)]).await.unwrap();
    one.set(item("A", 3)).await.unwrap();
    assert_eq!(two.find(&"A".parse().unwrap()).await.unwrap(), Some(3));
    two.set(item("A", 4)).await.unwrap();
    assert_eq!(one.find(&"A".parse().unwrap()).await.unwrap(), Some(4));
}

#[test]
fn many_instances_may_start_at_once_on_a_new_file() {
    let (_folder, path) = folder();
    let open = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stock = runtime.block_on(Stock::open(&path, &[item("A", 1)])).unwrap();
        runtime.block_on(stock.find(&"A".parse().unwrap())).unwrap()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(1));
        }
    });
}

#[tokio::test]
async fn reads_go_on_while_another_instance_writes() {
    let (_folder, path) = folder();
    let stock = Stock::open(&path, &[item("A", 1)]).await.unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; UPDATE stock SET available = 9").unwrap();
    assert_eq!(stock.find(&"A".parse().unwrap()).await.unwrap(), Some(1));
    // Our own write waits for its turn, and gives up in the end without harm.
    stock.writer.lock().await.busy_timeout(Duration::from_millis(1)).unwrap();
    let error = stock.set(item("A", 2)).await.unwrap_err();
    assert!(matches!(error, StockError::Unavailable(_)), "{error:?}");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(stock.set(item("A", 2)).await.unwrap(), Change::Replaced);
}

#[tokio::test]
async fn a_full_disk_fails_the_write_and_nothing_else() {
    let (_folder, path) = folder();
    let stock = Stock::open(&path, &[item("A", 1)]).await.unwrap();
    fill(&stock).await;
    let error = stock.set(item(&"B".repeat(64), 1)).await.unwrap_err();
    assert!(matches!(error, StockError::Full(_)), "{error:?}");
    assert_eq!(stock.find(&"A".parse().unwrap()).await.unwrap(), Some(1));
    assert_eq!(stock.find(&"B".repeat(64).parse().unwrap()).await.unwrap(), None);
    assert_eq!(stock.set(item("A", 2)).await.unwrap(), Change::Replaced);
}

/// Leaves no room for another row: the file may not grow, and its last page is used up.
async fn fill(stock: &Stock) {
    let writer = stock.writer.lock().await;
    writer.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
    let mut number = 0;
    let full = loop {
        number += 1;
        let name = format!("{number:064}");
        if let Err(error) = writer.execute("INSERT INTO stock VALUES (?1, 0)", [name]) {
            break error;
        }
        assert!(number < 10_000, "never full");
    };
    assert_eq!(full.sqlite_error_code(), Some(ErrorCode::DiskFull));
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
    let seed: Vec<_> = (0..2_000).map(|n| item(&format!("PROD-{n:050}"), n)).collect();
    drop(Stock::open(&path, &seed).await.unwrap());
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_192].fill(0xee);
    std::fs::write(&path, bytes).unwrap();
    let error = error_of(&path).await;
    assert!(error.contains("it is damaged"), "{error}");
}

#[tokio::test]
async fn someone_elses_table_is_refused() {
    let (folder, _) = folder();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE stock (isin TEXT)").unwrap();
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
    let error = error_of(&file.join("stock.db")).await;
    assert!(error.contains("create the folder"), "{error}");
}

#[test]
fn product_names_have_a_form() {
    for good in ["A", "PROD-123", "a.b_c-9", &"x".repeat(64)] {
        assert!(good.parse::<ProductId>().is_ok(), "{good:?}");
    }
    for bad in ["", "a b", "a/b", "a%20b", "ä", "a\0", "'; DROP TABLE stock", &"x".repeat(65)] {
        assert!(bad.parse::<ProductId>().is_err(), "{bad:?}");
    }
}
