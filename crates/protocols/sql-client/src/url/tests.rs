use super::*;

#[test]
fn a_database_is_a_file() {
    for (text, path) in
        [("sqlite:a.db", "a.db"), ("sqlite:/x/a.db", "/x/a.db"), ("sqlite:///x/a.db", "/x/a.db")]
    {
        assert_eq!(text.parse(), Ok(DatabaseUrl::Sqlite(path.into())), "{text}");
    }
    for (text, said) in [
        ("", "expected sqlite:PATH"),
        ("a.db", "expected sqlite:PATH"),
        ("mysql://x", "expected sqlite:PATH"),
        ("sqlite:", "path is missing"),
        ("sqlite://", "path is missing"),
        ("sqlite::memory:", "forget"),
        ("sqlite:/tmp/", "folder"),
    ] {
        let error = text.parse::<DatabaseUrl>().unwrap_err();
        assert!(error.contains(said), "{text:?} said {error}");
    }
}

#[test]
fn a_database_may_be_a_server() {
    let url = "postgres://shop:secret@127.0.0.1:5433/stock".parse().unwrap();
    let DatabaseUrl::Postgres(config) = url else { panic!("not a server") };
    assert_eq!((config.get_user(), config.get_dbname()), (Some("shop"), Some("stock")));
    assert_eq!((config.get_password(), config.get_ports()), (Some(&b"secret"[..]), &[5433][..]));
    for text in [
        "postgres://",
        "postgres://127.0.0.1/stock",
        "postgres://shop:secret@db.example/stock",
        "postgres://shop:secret@127.0.0.1:1",
        "postgres://shop:secret@127.0.0.1:port/stock",
    ] {
        let error = text.parse::<DatabaseUrl>().unwrap_err();
        assert!(error.contains("IP:PORT/DATABASE") && !error.contains("secret"), "{text:?} said {error}");
    }
}
