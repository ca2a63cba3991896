use super::*;

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

#[test]
fn paths_become_urls_where_a_url_can_stand() {
    for (typed, meant) in [
        (vec!["/cart"], vec!["O/cart"]),
        (vec!["-i", "/cart"], vec!["-i", "O/cart"]),
        (vec!["/cart", "-o", "/tmp/x"], vec!["O/cart", "-o", "/tmp/x"]),
        (vec!["-sSo", "/tmp/x"], vec!["-sSo", "/tmp/x"]),
        (vec!["--output", "/tmp/x"], vec!["--output", "/tmp/x"]),
        (vec!["--silent", "/cart"], vec!["--silent", "O/cart"]),
        (vec!["-d", "{}", "/cart/items"], vec!["-d", "{}", "O/cart/items"]),
        (vec!["https://x/"], vec!["https://x/"]),
        (vec![], vec![]),
    ] {
        assert_eq!(rewritten(strings(&typed), "O"), meant);
    }
}

#[test]
fn the_token_is_added_unless_a_header_is_given_or_it_goes_elsewhere() {
    let plan = Plan::parse("lab.toml", plan::DEFAULT, std::path::Path::new(""), &[], &[]).expect("a plan");
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let has_token = |arguments: &[&str]| {
        added(&plan, ip, 8443, "T", &strings(arguments)).contains(&"Authorization: Bearer T".to_owned())
    };
    assert!(has_token(&["/cart"]));
    assert!(has_token(&["https://api.myshop.com:8443/cart", "-H", "X-Y: authorization: z"]));
    assert!(!has_token(&["/cart", "-H", "authorization: Basic x"]));
    assert!(!has_token(&["/cart", "-HAuthorization:"]));
    assert!(!has_token(&["/cart", "--header=Authorization:"]));
    assert!(!has_token(&["http://127.0.0.1:9100/metrics"]));
}
