use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use strsim::osa_distance;

use super::distance::closest;
use super::*;

fn parse(sets: &[&str], swaps: &[&str]) -> Result<Plan, PlanError> {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    Plan::parse("lab.toml", DEFAULT, Path::new(""), &owned(sets), &owned(swaps))
}

/// The default plan with one text in the place of another.
fn edited(from: &str, to: &str) -> Result<Plan, PlanError> {
    assert!(DEFAULT.contains(from), "{from:?} is no longer in lab.toml");
    Plan::parse("lab.toml", &DEFAULT.replacen(from, to, 1), Path::new(""), &[], &[])
}

fn line_of(text: &str) -> String {
    let offset = DEFAULT.find(text).expect("the text is in lab.toml");
    format!("lab.toml:{}", DEFAULT[..offset].matches('\n').count() + 1)
}

fn environment(plan: &Plan, hop: &str) -> std::collections::BTreeMap<String, String> {
    let context =
        RunContext { run: "/run".into(), certs: "/certs".into(), collector: "http://127.0.0.1:4318".into() };
    plan.environment(plan.find(hop).expect("the hop is planned"), &context)
}

#[test]
fn the_default_is_the_chapters_cluster() {
    let plan = parse(&[], &[]).expect("lab.toml is right");
    let addresses: Vec<String> =
        plan.hops().map(|(_, hop)| format!("{} {} {}", hop.name, hop.role(), hop.listen)).collect();
    assert_eq!(
        addresses,
        [
            "resolver resolver 127.0.53.53:5300",
            "root dns 127.0.53.1:5300",
            "com dns 127.0.53.2:5300",
            "myshop dns 127.0.53.3:5300",
            "lb lb 127.0.113.50:8443",
            "ingress ingress 127.0.1.100:8080",
            "cart-service clusterip 127.96.50.100:8080",
            "inventory-service clusterip 127.96.50.101:8080",
            "cart-pod-abc12 cart 127.244.1.15:8080",
            "cart-pod-def34 cart 127.244.2.23:8080",
            "cart-pod-ghi56 cart 127.244.3.8:8080",
            "inventory-pod-jkl78 inventory 127.244.1.16:8080",
            "inventory-pod-mno90 inventory 127.244.2.24:8080",
            "redis store 127.96.50.110:6379",
            "kafka events 127.96.50.120:9092",
        ]
    );
    assert!(plan.hops().all(|(_, hop)| hop.admin.is_some_and(|admin| admin.port() == 9100)));
}

#[test]
fn what_is_not_said_has_the_value_that_lab_toml_spells_out() {
    let written = parse(&[], &[]).expect("lab.toml is right");
    // Without the sections that hold nothing but defaults, and without a hop's optional keys.
    let from = DEFAULT.find("[lab]").expect("a section");
    let to = DEFAULT.find("# --- 1 ").expect("a section");
    let end = DEFAULT.find("[budget]").expect("a section");
    let optional = ["balance", "mode", "workers", "database", "appendfsync", "partitions"];
    let bare: String = DEFAULT[to..end]
        .lines()
        .filter(|line| !optional.iter().any(|key| line.starts_with(&format!("{key} ="))))
        .map(|line| format!("{line}\n"))
        .collect();
    let text = format!("{}{bare}", &DEFAULT[..from]);
    let mut unsaid = Plan::parse("lab.toml", &text, Path::new(""), &[], &[]).expect("all is optional");
    unsaid.budget.clone_from(&written.budget);
    assert_eq!(unsaid, written);
}

#[test]
fn waves_follow_references() {
    let plan = parse(&[], &[]).expect("lab.toml is right");
    let waves: Vec<Vec<&str>> =
        plan.waves().iter().map(|wave| wave.iter().map(|id| plan.hop(*id).name.as_str()).collect()).collect();
    let wave_of = |name: &str| waves.iter().position(|wave| wave.contains(&name)).expect(name);
    assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), plan.hops().len());
    for (before, after) in [
        ("root", "resolver"),
        ("redis", "cart-pod-abc12"),
        ("kafka", "cart-pod-abc12"),
        ("inventory-pod-jkl78", "inventory-service"),
        ("inventory-service", "cart-pod-ghi56"),
        ("cart-pod-ghi56", "cart-service"),
        ("cart-service", "ingress"),
        ("ingress", "lb"),
    ] {
        assert!(wave_of(before) < wave_of(after), "{before} must be ready before {after}");
    }
}

#[test]
fn environments_tell_each_role_what_it_needs() {
    let plan = parse(&[], &[]).expect("lab.toml is right");
    let resolver = environment(&plan, "resolver");
    assert_eq!(resolver["ROOTS"], "127.0.53.1");
    assert_eq!(resolver["NAME_SERVER_PORT"], "5300");
    assert_eq!(resolver["TLS_CERT"], "/certs/resolver.pem");
    assert_eq!(environment(&plan, "com")["ZONES"], "com.=/run/zones/com.zone\n");
    assert_eq!(environment(&plan, "lb")["UPSTREAMS"], "127.0.1.100:8080");
    assert_eq!(
        environment(&plan, "ingress")["RULES"].lines().next(),
        Some("api.myshop.com Prefix /cart cart-service=127.96.50.100:8080")
    );
    assert_eq!(environment(&plan, "inventory-service")["ENDPOINTS"], "127.244.1.16:8080,127.244.2.24:8080");
    let cart = environment(&plan, "cart-pod-def34");
    assert_eq!(cart["INVENTORY_URL"], "http://127.96.50.101:8080");
    assert_eq!(cart["REDIS_URL"], "redis://127.96.50.110:6379");
    assert_eq!(cart["OTEL_SERVICE_NAME"], "cart-pod-def34");
    assert_eq!(environment(&plan, "redis")["DATA_DIR"], "/run/data/redis");
    assert_eq!(environment(&plan, "inventory-pod-jkl78")["DATABASE_URL"], "sqlite:/run/data/inventory.db");
}

#[test]
fn every_mistake_names_line_key_and_remedy() {
    // (what lab.toml says, what it says instead, the key, in the problem, in the remedy)
    let mistakes = [
        ("[network]", "[netwrok]", "netwrok", "no section `netwrok`", "did you mean `network`?"),
        ("port_offset = 0", "port_ofset = 0", "network.port_ofset", "no key", "did you mean `port_offset`?"),
        ("balance = ", "blance = ", "hop.lb.blance", "no key `blance`", "did you mean `balance`?"),
        ("balance = ", "mode = ", "hop.lb.mode", "a setting of role clusterip", "remove the line"),
        ("role = \"lb\"", "role = \"bl\"", "hop.lb.role", "no role `bl`", "did you mean role = \"lb\"?"),
        (
            "\"least-connections\"\n",
            "\"least-conections\"\n",
            "hop.lb.balance",
            "not possible",
            "least-connections",
        ),
        ("[\"ingress\"]", "[\"ingres\"]", "hop.lb.upstreams", "no hop `ingres`", "did you mean `ingress`?"),
        ("[\"ingress\"]", "[\"redis\"]", "hop.lb.upstreams", "role store", "name one of: ingress"),
        ("[\"ingress\"]", "[]", "hop.lb.upstreams", "empty", "add at least one"),
        ("127.0.113.50:8443", "127.0.113.50", "hop.lb.listen", "expected IP:PORT", "\"127.0.113.50:8443\""),
        ("127.0.113.50:8443", "8.8.8.8:8443", "hop.lb.listen", "not a loopback", "127.0.0.0/8"),
        ("127.0.113.50:8443", "127.0.113.50:0", "hop.lb.listen", "is no port", "from 1024"),
        ("127.0.113.50:8443", "127.0.1.100:8080", "hop.ingress.listen", "already hop.lb.listen", "another"),
        ("127.0.53.2:5300", "127.0.53.2:5301", "hop.com.listen", "differs from root's", "one port"),
        ("path = \"/cart\"", "path = \"cart\"", "hop.ingress.rules.path", "cannot be matched", "/cart"),
        ("type = \"Prefix\"", "type = \"prefix\"", "hop.ingress.rules.type", "`prefix`", "\"Prefix\""),
        ("type = \"Prefix\"", "kind = \"Prefix\"", "hop.ingress.rules.kind", "no key", "type"),
        (
            "service = \"cart-service\"",
            "service = \"lb\"",
            "hop.ingress.rules.service",
            "role lb",
            "cart-service",
        ),
        ("workers = 200", "workers = 0", "hop.cart-pod-abc12.workers", "out of range", "from 1"),
        ("workers = 200", "workers = \"x\"", "hop.cart-pod-abc12.workers", "expected a whole number", "type"),
        ("ready_seconds = 10.0", "ready_seconds = 0.0", "supervise.ready_seconds", "out of range", "1.0"),
        ("[hop.redis]", "[hop.Redis]", "hop.Redis", "cannot be a name", "a-z"),
        ("sqlite:inventory.db", "mysql:x", "hop.inventory-pod-jkl78.database", "no database", "sqlite:FILE"),
        ("name = \"lab\"", "name = \"my lab\"", "lab.name", "cannot be a name", "folder"),
        ("control = \"127.0.0.1:0\"", "control = \"0.0.0.0:1\"", "network.control", "loopback", "port 0"),
        ("tls = 100.0", "tsl = 100.0", "budget.tsl", "nothing is called `tsl`", "did you mean `tls`?"),
        ("tls = 100.0", "tls = -1.0", "budget.tls", "is no time", "milliseconds"),
        ("balance = \"least-connections\"", "balance = least", "", "not TOML", "mend the line"),
    ];
    for (from, to, key, problem, remedy) in mistakes {
        let error = edited(from, to).expect_err(to);
        assert_eq!(error.key, key, "{to}: {error}");
        assert!(error.problem.contains(problem), "{to}: {error}");
        assert!(error.remedy.contains(remedy), "{to}: {error}");
        assert!(error.location.starts_with("lab.toml:"), "{to}: {error}");
        if !problem.contains("already") {
            let near = line_of(from);
            let lines = [near.clone(), line_of("[hop.com]"), line_of("listen = \"127.0.1.100")];
            assert!(lines.contains(&error.location), "{to}: expected {near}, got {error}");
        }
    }
}

#[test]
fn a_circle_is_named() {
    let text =
        DEFAULT.replace("[hop.cart-service]\nrole = \"clusterip\"", "[hop.cart-service]\nrole = \"ingress\"");
    assert!(Plan::parse("lab.toml", &text, Path::new(""), &[], &[]).is_err());
    // A cart pod that is its own inventory service.
    let error = edited(
        "endpoints = [\"inventory-pod-jkl78\", \"inventory-pod-mno90\"]",
        "endpoints = [\"cart-pod-abc12\"]",
    );
    let error = error.expect_err("a circle");
    assert!(error.problem.contains("cart-pod-abc12 → inventory-service → cart-pod-abc12"), "{error}");
}

#[test]
fn without_a_resolver_or_an_lb_there_is_no_journey() {
    let error = Plan::parse("lab.toml", "", Path::new(""), &[], &[]).expect_err("an empty file");
    assert!(error.problem.contains("no hop has role resolver"), "{error}");
}

#[test]
fn sets_change_any_key() {
    let plan = parse(
        &[
            "lab.name=two",
            "network.port_offset=100",
            "hop.lb.listen=127.0.113.51:9443",
            "shop.user=790",
            "hop.cart-pod-abc12.env.QUEUE=10",
            "hop.inventory-service.endpoints=[\"inventory-pod-mno90\"]",
            "hop.redis.command=redis-server --port {PORT}",
        ],
        &[],
    )
    .expect("the changes are right");
    assert_eq!((plan.name.as_str(), plan.port_offset, plan.user.as_str()), ("two", 100, "790"));
    let lb = plan.find("lb").expect("the lb");
    assert_eq!(lb.listen.to_string(), "127.0.113.51:9543");
    assert_eq!(lb.admin.map(|admin| admin.to_string()).as_deref(), Some("127.0.113.51:9200"));
    assert_eq!(environment(&plan, "cart-pod-abc12")["QUEUE"], "10");
    assert_eq!(environment(&plan, "inventory-service")["ENDPOINTS"], "127.244.2.24:8180");
    let redis = plan.find("redis").expect("the store");
    assert_eq!(redis.runs, Runs::Command(vec!["redis-server".into(), "--port".into(), "{PORT}".into()]));
}

#[test]
fn a_wrong_set_is_quoted_in_its_error() {
    for (set, problem, remedy) in [
        ("network.port_offset", "expected KEY=VALUE", "--set KEY=VALUE"),
        ("=1", "no key", "--set KEY=VALUE"),
        ("network.port_ofset=1", "no key `port_ofset`", "`port_offset`"),
        ("hop.lb.balance=fast", "not possible here", "least-connections"),
        ("network.port_offset=many", "expected a whole number", "type"),
        ("hop.lbb.listen=127.0.0.1:1", "no role `lbb`", "lb"),
    ] {
        let error = parse(&[set], &[]).expect_err(set);
        assert_eq!(error.location, format!("--set {set}"), "{error}");
        assert!(error.problem.contains(problem) && error.remedy.contains(remedy), "{error}");
    }
}

#[test]
fn swaps_replace_by_name_before_role() {
    let plan = parse(&[], &["redis=redis-server --port '{PORT}'", "cart=./my cart"]).expect("swaps");
    let command = |name: &str| plan.find(name).map(|hop| hop.runs.clone());
    let words = |words: &[&str]| Some(Runs::Command(words.iter().map(|word| (*word).to_owned()).collect()));
    assert_eq!(command("redis"), words(&["redis-server", "--port", "{PORT}"]));
    assert_eq!(command("cart-pod-abc12"), words(&["./my", "cart"]));
    assert_eq!(command("cart-pod-ghi56"), words(&["./my", "cart"]));
    assert_eq!(command("cart-service"), Some(Runs::Own));
    assert!(!plan.find("redis").is_some_and(|hop| hop.reports), "a swapped program reports nothing");
    // … unless its recipe says that it does, and the plan does not say that it does not.
    let pods = ["cart-pod-abc12=spring-boot", "cart-pod-def34=spring-boot"];
    let plan = parse(&["hop.cart-pod-def34.reports=false"], &pods).expect("recipes");
    let reports = |name: &str| plan.find(name).map(|hop| hop.reports);
    assert_eq!((reports("cart-pod-abc12"), reports("cart-pod-def34")), (Some(true), Some(false)));

    let error = parse(&[], &["ingres=nginx"]).expect_err("an unknown name");
    assert!(error.remedy.contains("`ingress`") && error.location == "--swap ingres=nginx", "{error}");
    assert!(parse(&[], &["ingress"]).is_err());
    assert!(parse(&[], &["ingress="]).expect_err("no command").problem.contains("no command"));
    assert!(parse(&[], &["ingress=a 'b"]).expect_err("a quote").problem.contains("never closed"));
}

#[test]
fn external_programs_keep_their_url() {
    let url = "redis://:secret@localhost:6380/2";
    let plan = edited("[hop.redis]\n", &format!("[hop.redis]\nexternal = \"{url}\"\n")).expect("external");
    let redis = plan.find("redis").expect("the store");
    assert_eq!((redis.listen.to_string().as_str(), redis.admin), ("127.0.0.1:6380", None));
    assert_eq!(environment(&plan, "cart-pod-abc12")["REDIS_URL"], "redis://:secret@127.0.0.1:6380/2");
    let error = edited("[hop.redis]\n", "[hop.redis]\nexternal = \"redis://10.0.0.1:6379\"\n");
    assert!(error.expect_err("another machine").problem.contains("no address of this machine"));
}

#[test]
fn commands_are_filled_in() {
    let plan = parse(&[], &["lb=nginx -c {CONFIG} {listen} {LISTEN} {IP}:{PORT} {UPSTREAMS} {NOBODY} {"]);
    let plan = plan.expect("a swap");
    let mut hop = plan.find("lb").expect("the lb").clone();
    hop.config = Some(PathBuf::from("my/nginx.conf"));
    let context = RunContext { run: "/run".into(), certs: "/certs".into(), collector: String::new() };
    let Runs::Command(words) = &hop.runs else { panic!("a command") };
    let env = plan.environment(&hop, &context);
    let filled: Vec<String> = words.iter().map(|word| fill(word, &hop, &env, &context)).collect();
    assert_eq!(
        filled.join(" "),
        "nginx -c /run/data/lb-swapped/nginx.conf {listen} 127.0.113.50:8443 127.0.113.50:8443 127.0.1.100:8080 {NOBODY} {"
    );
}

#[test]
fn every_known_key_is_also_read() {
    // The list of keys serves "did you mean"; serde refuses what it does not know. They must agree.
    for (section, keys) in keys::SECTIONS {
        for key in keys {
            let error = parse(&[&format!("{section}.{key}={{}}")], &[]).expect_err("a table fits nowhere");
            assert!(!error.problem.contains("unknown field"), "{section}.{key}: {error}");
        }
    }
    for role in Role::ALL {
        let name = parse(&[], &[]).expect("lab.toml").first(role).expect("every role").name.clone();
        for key in keys::EVERY_HOP.iter().chain(keys::of_role(role)) {
            if let Err(error) = parse(&[&format!("hop.{name}.{key}=[[]]")], &[]) {
                assert!(!error.problem.contains("unknown field"), "{role}.{key}: {error}");
            }
        }
    }
}

#[test]
fn distances() {
    for (a, b, steps) in [
        ("", "", 0),
        ("", "abc", 3),
        ("ingress", "ingress", 0),
        ("ingres", "ingress", 1),
        ("netwrok", "network", 1),
        ("bl", "lb", 1),
        ("kitten", "sitting", 3),
        ("äpfel", "apfel", 1),
    ] {
        assert_eq!((osa_distance(a, b), osa_distance(b, a)), (steps, steps), "{a} {b}");
    }
    assert_eq!(closest("elast", ["listen", "least"]), Some("least"));
    assert_eq!(closest("xyzzy", ["listen", "least"]), None);
}

#[test]
fn spans_are_passed_on_to_this_machine_only() {
    let set = |value: &str| parse(&[&format!("telemetry.forward={value}")], &[]);
    let to = |value: &str| set(value).expect("a good plan").telemetry.forward;
    assert_eq!(to("http://127.0.0.1:4318"), "127.0.0.1:4318".parse().ok());
    assert_eq!(to("http://localhost:4318/"), "127.0.0.1:4318".parse().ok());
    assert_eq!(to("http://[::1]:4318"), "[::1]:4318".parse().ok());
    assert_eq!(to(""), None);
    for (wrong, said) in [
        ("http://192.0.2.1:4318", "192.0.2.1 is not a loopback address"),
        ("https://127.0.0.1:4318", "is not http://IP:PORT"),
        ("127.0.0.1:4318", "is not http://IP:PORT"),
        ("http://collector:4318", "is not http://IP:PORT"),
    ] {
        let error = set(wrong).expect_err("a wrong receiver").to_string();
        assert!(error.contains(said) && error.contains("telemetry.forward"), "{error}");
    }
}

#[test]
fn a_real_network_has_the_chapters_addresses() {
    let plan = Plan::load(&Config::Text(DEFAULT.to_owned()), &["network.mode=real".to_owned()], &[]).unwrap();
    let lb = plan.find("lb").unwrap();
    assert_eq!(
        (lb.listen.to_string(), lb.loopback.to_string()),
        ("203.0.113.50:443".into(), "127.0.113.50:8443".into())
    );
    assert_eq!(lb.admin.unwrap().to_string(), "203.0.113.50:9100");
    let hosts = plan.hosts();
    assert_eq!(
        hosts.len(),
        plan.hops().len() - 2 + 1,
        "three programs share the node, and the browser has a host"
    );
    assert_eq!(hosts["node"], [[10, 0, 1, 100], [10, 96, 50, 100], [10, 96, 50, 101]].map(Ipv4Addr::from));
    let context = RunContext { run: "/run".into(), certs: "/certs".into(), collector: String::new() };
    let env = plan.environment(plan.find("resolver").unwrap(), &context);
    assert_eq!(env["DOH_LISTEN"], "198.51.100.53:443");
    assert!(env["LOCAL_NETWORKS"].split(',').any(|network| network == "198.51.100.1/32"));
    // An address of one's own may be any host's, but none of loopback and not the lab's.
    for address in
        ["127.0.0.1:80", "0.0.0.0:80", "224.0.0.1:80", "192.0.2.1:80", "[::1]:80", "10.0.0.1:0", "ten"]
    {
        let sets = ["network.mode=real".to_owned(), format!("hop.lb.real=\"{address}\"")];
        let error = Plan::load(&Config::Text(DEFAULT.to_owned()), &sets, &[]).unwrap_err();
        assert!(error.to_string().contains("is no address of a host"), "{address}: {error}");
    }
}
