use super::*;

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

#[test]
fn paths_of_the_shop_become_urls_wherever_they_stand() {
    for (typed, meant) in [
        (vec!["/cart"], vec!["O/cart"]),
        (vec!["-i", "/cart"], vec!["-i", "O/cart"]),
        (vec!["-s", "/cart/items", "-d", "{}"], vec!["-s", "O/cart/items", "-d", "{}"]),
        (vec!["--an-option-of-next-year", "/cart", "-v"], vec!["--an-option-of-next-year", "O/cart", "-v"]),
        (vec!["/cart", "/cart?x=1", "/"], vec!["O/cart", "O/cart?x=1", "O/"]),
        (vec!["/cart", "-o", "/tmp/x"], vec!["O/cart", "-o", "/tmp/x"]),
        (vec!["-sSo", "/tmp/not/there/yet", "/cart"], vec!["-sSo", "/tmp/not/there/yet", "O/cart"]),
        (vec!["-o", "/dev/null", "/cart"], vec!["-o", "/dev/null", "O/cart"]),
        (vec!["-d/x", "-d", "{}", "/cart/items"], vec!["-d/x", "-d", "{}", "O/cart/items"]),
        (vec!["https://x/"], vec!["https://x/"]),
        (vec![], vec![]),
    ] {
        let here = |path: &Path| [Path::new("/tmp"), Path::new("/dev")].contains(&path);
        assert_eq!(rewritten(strings(&typed), "O", here), meant);
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
