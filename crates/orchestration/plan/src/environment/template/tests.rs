use super::*;

fn filled(text: &str) -> Result<String, String> {
    expand(text, Escape::default(), |name| match name {
        "LISTEN" => Some("127.0.0.1:80".to_owned()),
        "PODS" => Some("127.0.0.2:81,127.0.0.3:82".to_owned()),
        "RULES" => Some("* Prefix /a one=127.0.0.4:83\nshop Exact /b two=127.0.0.5:84\n".to_owned()),
        "NONE" => Some(String::new()),
        "FOLDER" => Some("/a b, c'ü \"q\" \\ $HOME".to_owned()),
        "ZONES" => Some(".=/a b, c'ü/root.zone\n".to_owned()),
        "URL" => Some("redis://user:p@ss@127.0.0.9:86/0".to_owned()),
        _ => None,
    })
}

#[test]
fn a_block_is_repeated_for_each_element() {
    let config =
        "listen {LISTEN};\n{each PODS}\n  server {N} {IT} {IT_IP} {LISTEN_PORT};\n{end}\nend { x; }\n";
    let expected = "listen 127.0.0.1:80;\n  server 1 127.0.0.2:81 127.0.0.2 80;\n  server 2 127.0.0.3:82 127.0.0.3 80;\nend { x; }\n";
    assert_eq!(filled(config).as_deref(), Ok(expected));
    assert_eq!(filled("a{each PODS} {IT_PORT}{end}\n").as_deref(), Ok("a 81 82\n"));
    assert_eq!(filled("a{each NONE} {IT}{end}b").as_deref(), Ok("ab"));
}

#[test]
fn words_of_an_element_have_numbers() {
    let config = "{each RULES}{1}|{2}|{3}|{4}|{5}|{5_PORT}|{6}\n{end}";
    let expected = "*|Prefix|/a|one|127.0.0.4:83|83|{6}\nshop|Exact|/b|two|127.0.0.5:84|84|{6}\n";
    assert_eq!(filled(config).as_deref(), Ok(expected));
}

#[test]
fn a_wrong_block_is_refused() {
    assert_eq!(filled("{each PODS}x").unwrap_err(), "{each PODS} has no {end}");
    assert_eq!(filled("{each PODZ}x{end}").unwrap_err(), "{each PODZ}: there is no PODZ here");
}

#[test]
fn a_value_within_double_quotes_cannot_end_them() {
    let expected = r#"dir "/a b, c'ü \"q\" \\ $HOME/x" and {y}"#;
    assert_eq!(filled(r#"dir "{FOLDER}/x" and {y}"#).as_deref(), Ok(expected));
    let with = |escape| expand("x \"\\\"\" \"{FOLDER}\"", escape, |_| Some("a\"b\\c$d".to_owned()));
    assert_eq!(with(Escape::Backslash).as_deref(), Ok(r#"x "\"" "a\"b\\c$d""#));
    assert_eq!(with(Escape::Shell).as_deref(), Ok(r#"x "\"" "a\"b\\c\$d""#));
    assert!(with(Escape::None).unwrap_err().contains("use a folder without one"));
    // Outside of them, and in a command's words, everything is as it is.
    assert_eq!(filled("\"\n{FOLDER}").as_deref(), Ok("\"\n/a b, c'ü \"q\" \\ $HOME"));
    assert_eq!(fill("--dir=\"{X}\"", |_| Some("a\"b".to_owned())), "--dir=\"a\"b\"");
}

#[test]
fn a_path_is_one_word_of_an_element() {
    let expected = r#"zone "." file "/a b, c'ü/root.zone";"#;
    assert_eq!(filled("{each ZONES}zone \"{1}\" file \"{2}\";{end}").as_deref(), Ok(expected));
}

#[test]
fn a_url_has_halves_like_an_address() {
    assert_eq!(filled("{URL_IP} {URL_PORT}").as_deref(), Ok("127.0.0.9 86"));
}
