use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn pages_of_other_sites_are_told_by_host_and_origin() {
    for host in ["127.0.0.1:9100", "127.96.50.100", "[::1]:9100", "10.1.2.3:1", "localhost:9100", "LOCALHOST"]
    {
        assert!(refuse_pages(&headers(&[("host", host)])).is_ok(), "{host}");
        let own = format!("http://{host}");
        assert!(refuse_pages(&headers(&[("host", host), ("origin", &own)])).is_ok(), "{host}");
    }
    for host in
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "a@127.0.0.1", "[x]", ""]
    {
        let refused = refuse_pages(&headers(&[("host", host)])).unwrap_err();
        assert_eq!(refused.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:81", "https://127.0.0.1:80"] {
        let refused = refuse_pages(&headers(&[("host", "127.0.0.1:80"), ("origin", origin)])).unwrap_err();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{origin}");
    }
}

#[test]
fn a_secret_is_known_as_a_whole_or_not_at_all() {
    let secret = Secret::random();
    assert_eq!(secret.as_str().len(), 64);
    assert_eq!(format!("{secret:?}"), "Secret");
    let known = |value: &str| secret.known_by(&headers(&[("authorization", value)]));
    let right = secret.as_str();
    assert!(known(&format!("Bearer {right}")) && known(&format!("bEARER {right}")));
    for wrong in [right, "Bearer", "Bearer ", &format!("Bearer {right}0"), &format!("Bearer {}", &right[1..])]
    {
        assert!(!known(wrong), "{wrong}");
    }
    assert!(!secret.known_by(&HeaderMap::new()));
    assert_eq!(refuse_strangers(None, &HeaderMap::new()).unwrap_err().status(), StatusCode::FORBIDDEN);
}

#[test]
fn a_secret_is_read_from_its_file() {
    let folder = std::env::temp_dir().join(format!("hop-secret-{}", std::process::id()));
    let read = |text: &str| {
        std::fs::write(&folder, text).unwrap();
        Secret::read(&folder).map(|secret| secret.as_str().to_owned()).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(read("  s3cret\n").as_deref(), Ok("s3cret"));
    assert!(read("\n").unwrap_err().contains("holds no secret"));
    assert!(read("two words").unwrap_err().contains("no spaces"));
    std::fs::remove_file(&folder).unwrap();
    assert!(Secret::read(&folder).is_err());
}
