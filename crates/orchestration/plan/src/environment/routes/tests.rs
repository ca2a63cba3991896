use super::*;

#[test]
fn rules_come_in_the_order_of_their_precedence() {
    let rule = |host: &str, kind: &str, path: &str, service: usize| Rule {
        host: host.into(),
        kind: kind.into(),
        path: path.into(),
        service: HopId(service),
    };
    let rules = [
        rule("*", "Prefix", "/", 1),
        rule("*.myshop.com", "Prefix", "/cart", 2),
        rule("API.myshop.com", "Prefix", "/cart/", 3),
        rule("api.myshop.com", "Exact", "/cart", 4),
        rule("api.myshop.com", "Prefix", "/cart/items", 5),
    ];
    let seen: Vec<(String, usize)> = routes(&rules, Some(HopId(6)))
        .into_iter()
        .map(|it| (it.host + " " + &it.path, it.service.0))
        .collect();
    let expected = [
        (r"api\.myshop\.com /cart/items(/.*)?", 5),
        (r"api\.myshop\.com /cart", 4),
        (r"api\.myshop\.com /cart(/.*)?", 3),
        (r"[^./]+\.myshop\.com /cart(/.*)?", 2),
        (r"[^/]* (/.*)?", 1),
        ("[^/]* .*", 6),
    ];
    assert_eq!(seen, expected.map(|(route, id)| (route.to_owned(), id)));
}
