use super::*;

fn filled(text: &str) -> Result<String, String> {
    expand(text, |name| match name {
        "LISTEN" => Some("127.0.0.1:80".to_owned()),
        "PODS" => Some("127.0.0.2:81,127.0.0.3:82".to_owned()),
        "RULES" => Some("* Prefix /a one=127.0.0.4:83\nshop Exact /b two=127.0.0.5:84\n".to_owned()),
        "NONE" => Some(String::new()),
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
