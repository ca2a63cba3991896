use super::*;
use SqliteStock as Stock;

fn item(id: &str, available: u32) -> Item {
    Item { product_id: id.parse().unwrap(), available }
}

fn folder() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/stock.db");
    (folder, path)
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
async fn two_instances_share_one_file() {
    let (_folder, path) = folder();
    let one = Stock::open(&path, &[item("A", 1)]).await.unwrap();
    let two = Stock::open(&path, &[item("A", 2)]).await.unwrap();
    one.set(item("A", 3)).await.unwrap();
    assert_eq!(two.find(&"A".parse().unwrap()).await.unwrap(), Some(3));
    two.set(item("A", 4)).await.unwrap();
    assert_eq!(one.find(&"A".parse().unwrap()).await.unwrap(), Some(4));
}

#[tokio::test]
async fn someone_elses_table_is_refused() {
    let (folder, _) = folder();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE stock (isin TEXT)").unwrap();
    let error = format!("{:#}", Stock::open(&path, &[]).await.err().expect("an error"));
    assert!(error.contains("are not this program's"), "{error}");
}
