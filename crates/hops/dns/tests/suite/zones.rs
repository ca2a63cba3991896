use dns::config::{ZoneFile, ZoneFiles};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use crate::{data, example, load_example, look_up, myshop, zone_file};

fn problem(lines: &str) -> String {
    load_example(lines).expect_err("a broken zone").to_string()
}

#[test]
fn https_parameters_may_be_written_in_any_order() {
    let zones = example("api IN HTTPS 1 . port=8443 alpn=\"h2,http/1.1\"\n");
    let reply = look_up(&zones, "api.example.", RecordType::HTTPS);
    assert_eq!(
        data(&reply.answers),
        data(
            &look_up(
                &example("api IN HTTPS 1 . alpn=\"h2,http/1.1\" port=8443\n"),
                "api.example.",
                RecordType::HTTPS
            )
            .answers
        )
    );
    assert_eq!(reply.answers.len(), 1);
    assert!(problem("api IN HTTPS 1 . port=1 port=2\n").contains("each service parameter once"));
}

#[test]
fn the_shop_says_where_its_https_is() {
    let reply = look_up(&myshop(), "api.myshop.com.", RecordType::HTTPS);
    let text = data(&reply.answers).join("\n");
    assert!(text.contains("8443") && text.contains("h2") && text.contains("http/1.1"), "{text}");
}

#[test]
fn errors_name_the_file_and_the_line() {
    let error = problem("good IN A 127.0.0.1\nbad IN A 127.0.0.500\nfine IN A 127.0.0.2\n");
    assert!(error.contains("example.zone, line 6:"), "{error}");
    // The parenthesis that is never closed, not the one before it that is.
    let error = problem("a IN TXT ( \"x\"\n \"y\" )\nb IN TXT ( \"z\"\nc IN A 127.0.0.1\n");
    assert!(error.contains("line 7: \"(\""), "{error}");
    let error = problem("x IN NOSUCHTYPE 1\n");
    assert!(error.contains("line 5") && error.contains("NOSUCHTYPE"), "{error}");
}

#[test]
fn what_makes_no_zone_is_refused_with_the_rule() {
    assert!(problem("a IN CNAME b\na IN A 127.0.0.1\n").contains("CNAME"));
    assert!(problem("other.test. IN A 127.0.0.1\n").contains("not in the zone"));
    assert!(problem("a IN DNAME b\nx.a IN A 127.0.0.1\n").contains("DNAME moves all such names"));
    assert!(problem("a IN DNAME b\na IN DNAME c\n").contains("more than one DNAME"));
    assert!(problem("@ IN SOA a b 1 2 3 4 5\n").contains("exactly one SOA"));
    assert!(problem("sub IN SOA a b 1 2 3 4 5\n").contains("SOA"));
    assert!(problem("c CH TXT x\n").contains("expected class IN"));
    let missing = dns::zone::Zone::load(&"example.".parse().unwrap(), "/nowhere/x.zone".as_ref());
    assert!(missing.unwrap_err().to_string().starts_with("zone file /nowhere/x.zone: read it"));
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.zone");
    std::fs::write(&empty, "; nothing\n").unwrap();
    let error = dns::zone::Zone::load(&"example.".parse().unwrap(), &empty).unwrap_err().to_string();
    assert!(error.contains("no record of example."), "{error}");
}

#[test]
fn what_is_odd_is_served_with_a_warning() {
    let warnings = |lines: &str| {
        let zone = load_example(lines).unwrap();
        zone.warnings().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(warnings("a IN A 127.0.0.1\n").is_empty());
    let [glue] = &warnings("sub IN NS ns.sub\n")[..] else { panic!("one warning") };
    assert!(glue.contains("no address (glue)"), "{glue}");
    let [twice] = &warnings("a IN A 127.0.0.1\na 300 IN A 127.0.0.1\n")[..] else { panic!("one warning") };
    assert!(twice.contains("line 6: a.example. A stands here for the second time"), "{twice}");
    let zones = example("a 100 IN A 127.0.0.1\na 50 IN A 127.0.0.2\na 70 IN A 127.0.0.3\n");
    let reply = look_up(&zones, "a.example.", RecordType::A);
    assert_eq!(reply.answers.iter().map(|record| record.ttl).collect::<Vec<_>>(), [50, 50, 50]);
}

#[test]
fn a_dname_moves_what_is_below_it() {
    let zones = example("old IN DNAME new\nx.new IN A 127.0.0.1\nout 60 IN DNAME other.test.\n");
    let reply = look_up(&zones, "x.old.example.", RecordType::A);
    let owners: Vec<_> =
        reply.answers.iter().map(|record| format!("{} {}", record.name, record.record_type())).collect();
    assert_eq!(owners, ["old.example. DNAME", "x.old.example. CNAME", "x.new.example. A"]);
    assert!(reply.authoritative);
    let reply = look_up(&zones, "a.b.out.example.", RecordType::A);
    assert_eq!(data(&reply.answers[1..]), ["a.b.out.example. CNAME a.b.other.test."]);
    assert_eq!(reply.answers[1].ttl, 60, "the alias lives as long as the DNAME (RFC 6672 §3.1)");
    let reply = look_up(&zones, "old.example.", RecordType::A);
    assert!(reply.answers.is_empty() && reply.response_code == ResponseCode::NoError, "not its own name");
    let label = "a".repeat(60);
    let zones = example(&format!("old IN DNAME {label}.{label}.{label}\n"));
    let reply = look_up(&zones, &format!("{label}.{label}.old.example."), RecordType::A);
    assert_eq!((reply.response_code, reply.answers.len()), (ResponseCode::YXDomain, 1));
}

#[test]
fn zones_are_given_as_name_and_file() {
    let parsed: ZoneFile = "com.=zones/com.zone".parse().unwrap();
    assert_eq!((parsed.origin.to_ascii(), parsed.path.to_str()), ("com.".into(), Some("zones/com.zone")));
    let lines: ZoneFiles = ".=/a b, c'ü/root.zone\ncom.=com.zone\n".parse().unwrap();
    let paths: Vec<_> = lines.0.iter().map(|file| file.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["/a b, c'ü/root.zone", "com.zone"]);
    assert_eq!("com=x".parse::<ZoneFile>().unwrap().origin.to_ascii(), "com.");
    assert_eq!(".=x".parse::<ZoneFile>().unwrap().origin.to_ascii(), ".");
    assert!("com.zone".parse::<ZoneFile>().unwrap_err().contains("expected ZONE=FILE"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    /// Whatever an editor leaves behind, a reload must not end the process.
    #[test]
    fn a_damaged_zone_file_never_panics(
        edits in prop::collection::vec((any::<prop::sample::Index>(), "[ -~\n]{0,6}", 0usize..8), 1..6),
    ) {
        let text = std::fs::read_to_string(zone_file("myshop.com.zone")).unwrap();
        let mut text: Vec<char> = text.chars().collect();
        for (at, new, cut) in edits {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("damaged.zone");
        std::fs::write(&path, text).unwrap();
        let _ = dns::zone::Zone::load(&"myshop.com.".parse().unwrap(), &path);
    }
}
