use super::Url;

#[test]
fn urls_say_whom_and_how_to_log_in() {
    let read = |text: &str| text.parse::<Url>().map(|url| (url.user, url.password, url.database));
    assert_eq!(read("redis://127.0.0.1:6379"), Ok((None, None, 0)));
    assert_eq!(read("redis://127.0.0.1:6379/3"), Ok((None, None, 3)));
    assert_eq!(read("redis://:p%40ss@127.0.0.1:6379/"), Ok((None, Some("p@ss".into()), 0)));
    assert_eq!(read("redis://:secret@127.0.0.1:6379"), Ok((None, Some("secret".into()), 0)));
    assert_eq!(read("redis://me:a:b@127.0.0.1:6379"), Ok((Some("me".into()), Some("a:b".into()), 0)));
    assert_eq!(
        read("redis://anna:se@cret@127.0.0.1:6379"),
        Ok((Some("anna".into()), Some("se@cret".into()), 0))
    );
    for wrong in [
        "",
        "redis://",
        "http://127.0.0.1:1",
        "redis://localhost:1",
        "redis://me@127.0.0.1:1",
        "redis://127.0.0.1:1/x",
        "redis://:%4@127.0.0.1:1",
        "redis://:%+4@127.0.0.1:1",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_password_is_not_shown() {
    let url: Url = "redis://me:secret@127.0.0.1:6379".parse().expect("a URL");
    assert!(!format!("{url:?}").contains("secret"));
    let wrong = "redis://me:secret@nowhere".parse::<Url>().expect_err("not an address");
    assert!(!wrong.contains("secret"));
}
