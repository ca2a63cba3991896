use proptest::prelude::*;

use super::*;

fn routes(rules: &[&str]) -> Routes {
    Routes::new(rules.iter().map(|rule| rule.parse().unwrap()).collect(), None).unwrap()
}

fn service<'a>(routes: &'a Routes, host: &str, path: &str) -> Option<&'a str> {
    routes.find(host, path).map(|(backend, _)| backend.service.as_str())
}

/// The table of examples in Kubernetes' documentation of Ingress paths.
#[test]
fn paths_match_as_kubernetes_documents() {
    for (kind, rule, path, matches) in [
        ("Prefix", "/", "/anything/at/all", true),
        ("Exact", "/foo", "/foo", true),
        ("Exact", "/foo", "/bar", false),
        ("Exact", "/foo", "/foo/", false),
        ("Exact", "/foo/", "/foo", false),
        ("Exact", "/foo", "/FOO", false),
        ("Prefix", "/foo", "/foo", true),
        ("Prefix", "/foo", "/foo/", true),
        ("Prefix", "/foo/", "/foo", true),
        ("Prefix", "/foo/", "/foo/", true),
        ("Prefix", "/aaa/bb", "/aaa/bbb", false),
        ("Prefix", "/aaa/bbb", "/aaa/bbb", true),
        ("Prefix", "/aaa/bbb/", "/aaa/bbb", true),
        ("Prefix", "/aaa/bbb", "/aaa/bbb/", true),
        ("Prefix", "/aaa/bbb", "/aaa/bbb/ccc", true),
        ("Prefix", "/aaa/bbb", "/aaa/bbbxyz", false),
        ("Prefix", "/foo", "/foobar", false),
        ("Prefix", "/", "/", true),
        ("Prefix", "/", "*", false),
    ] {
        let pattern = PathPattern::new(kind.parse().unwrap(), rule);
        assert_eq!(pattern.matches(path), matches, "{kind} {rule} against {path}");
    }
}

#[test]
fn a_wildcard_stands_for_exactly_one_label() {
    let pattern = HostPattern::Wildcard("foo.com".into());
    for (host, matches) in [
        ("bar.foo.com", true),
        ("baz.bar.foo.com", false),
        ("foo.com", false),
        (".foo.com", false),
        ("barfoo.com", false),
    ] {
        assert_eq!(pattern.matches(host), matches, "{host}");
    }
}

#[test]
fn the_most_specific_rule_wins_whatever_the_order() {
    let mut rules = vec![
        "* Prefix / any=127.0.0.1:1",
        "*.shop.com Prefix / wild=127.0.0.1:2",
        "api.shop.com Prefix / exact=127.0.0.1:3",
        "api.shop.com Prefix /cart cart=127.0.0.1:4",
        "api.shop.com Exact /cart cart-itself=127.0.0.1:5",
    ];
    for _ in 0..rules.len() {
        rules.rotate_left(1);
        let routes = routes(&rules);
        for (host, path, expected) in [
            ("api.shop.com", "/cart", "cart-itself"),
            ("API.Shop.com.", "/cart/items", "cart"),
            ("api.shop.com", "/carts", "exact"),
            ("www.shop.com", "/cart", "wild"),
            ("shop.com", "/cart", "any"),
        ] {
            assert_eq!(service(&routes, host, path), Some(expected), "{host}{path}");
        }
    }
}

#[test]
fn what_no_rule_wants_goes_to_the_default_backend_or_nowhere() {
    let rule: Rule = "a.com Prefix /a one=127.0.0.1:1".parse().unwrap();
    let without = Routes::new(vec![rule.clone()], None).unwrap();
    assert_eq!(without.find("a.com", "/b"), None);
    let with = Routes::new(vec![rule], Some("rest=127.0.0.1:2".parse().unwrap())).unwrap();
    let (backend, rule) = with.find("b.com", "/a").unwrap();
    assert_eq!((backend.service.as_str(), rule), ("rest", None));
}

#[test]
fn paths_that_two_programs_read_differently_are_refused() {
    use AmbiguousPath::*;
    for (path, why) in [
        ("/a/../b", DotElement),
        ("/a/..", DotElement),
        ("/./a", DotElement),
        ("/a/%2e%2E/b", DotElement),
        ("/a/.%2e/b", DotElement),
        ("/a/..;x=1/b", DotElement),
        ("//a", EmptyElement),
        ("/a//b", EmptyElement),
        ("/a%2Fb", HiddenSeparator),
        ("/a%5cb", HiddenSeparator),
        ("/a\\b", HiddenSeparator),
        ("/a%00", HiddenSeparator),
        ("/a%zz", BrokenEncoding),
        ("/a%4", BrokenEncoding),
        ("/a%é", BrokenEncoding),
    ] {
        assert_eq!(matchable(path), Err(why), "{path}");
    }
    for (path, same) in
        [("/c%61rt", "/cart"), ("/%7euser", "/~user"), ("/a%20b", "/a%20b"), ("/a...b/..c", "/a...b/..c")]
    {
        assert_eq!(matchable(path).as_deref(), Ok(same), "{path}");
    }
}

/// Element by element, as the specification's words say it.
fn naive_path_matches(kind: PathType, rule: &str, path: &str) -> bool {
    let elements =
        |path: &str| path.split('/').filter(|e| !e.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    match kind {
        PathType::Exact => rule == path,
        PathType::Prefix => elements(path).starts_with(&elements(rule)),
    }
}

fn naive_host_matches(rule: &str, host: &str) -> bool {
    let (rule, host): (Vec<_>, Vec<_>) = (rule.split('.').collect(), host.split('.').collect());
    rule == ["*"]
        || (rule.len() == host.len()
            && rule.iter().zip(&host).all(|(rule, host)| *rule == "*" || rule == host))
}

fn hosts() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["*", "*.b.c", "a.b.c", "b.c", "*.c", "x.b.c"]).prop_map(str::to_owned)
}

fn paths() -> impl Strategy<Value = String> {
    (proptest::collection::vec("[ab]{1,2}", 0..4), any::<bool>()).prop_map(|(elements, slash)| {
        let end = if slash && !elements.is_empty() { "/" } else { "" };
        format!("/{}{end}", elements.join("/"))
    })
}

proptest! {
    #[test]
    fn the_table_agrees_with_the_specification(
        rules in proptest::collection::vec((hosts(), any::<bool>(), paths()), 0..8),
        host in proptest::sample::select(vec!["a.b.c", "x.b.c", "b.c", "q.c", "other", "q.a.b.c"]),
        path in paths(),
    ) {
        let kind = |exact| if exact { PathType::Exact } else { PathType::Prefix };
        let name = |exact| if exact { "Exact" } else { "Prefix" };
        let texts = rules.iter().enumerate().map(|(index, (host, exact, path))| {
            format!("{host} {} {path} {index}=127.0.0.1:1", name(*exact))
        });
        let Ok(routes) = Routes::new(texts.map(|text| text.parse().unwrap()).collect(), None) else {
            return Ok(()); // two rules for the same requests
        };
        // Highest score first: host, then path length, then Exact.
        let best = rules
            .iter()
            .enumerate()
            .filter(|(_, (rule_host, exact, rule_path))| {
                naive_host_matches(rule_host, host) && naive_path_matches(kind(*exact), rule_path, &path)
            })
            .max_by_key(|(_, (rule_host, exact, rule_path))| {
                let host_score = match rule_host.as_str() { "*" => 0, h if h.starts_with('*') => 1, _ => 2 };
                let length = if *exact { rule_path.len() } else { rule_path.trim_end_matches('/').len() };
                (host_score, length, *exact)
            })
            .map(|(index, _)| index.to_string());
        prop_assert_eq!(service(&routes, host, &path).map(str::to_owned), best);
    }

    #[test]
    fn what_is_matched_is_what_every_reader_sees(path in "(/|%2e|%2F|%61|\\.|a|;|%|%4){0,12}") {
        if let Ok(matched) = matchable(&path) {
            prop_assert!(!matched.contains("//") && !matched.contains("/../") && !matched.ends_with("/.."));
            // Looking twice changes nothing: no double decoding hides anything.
            let again = matchable(&matched);
            prop_assert_eq!(again.as_deref(), Ok(&*matched));
        }
    }
}
