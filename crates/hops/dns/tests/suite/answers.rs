use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RData, RecordType};
use journey::Transport;

use crate::{com, data, example, look_up, myshop, query, root, send};

#[test]
fn below_a_cut_the_answer_is_a_referral_with_glue() {
    let reply = look_up(&root(), "api.myshop.com.", RecordType::A);
    assert_eq!(reply.response_code, ResponseCode::NoError);
    assert!(!reply.authoritative, "a referral is not an authoritative answer");
    assert!(reply.answers.is_empty());
    assert_eq!(data(&reply.authorities), ["com. NS a.gtld-servers.net."]);
    assert_eq!(data(&reply.additionals), ["a.gtld-servers.net. A 127.0.53.2"]);
}

#[test]
fn at_the_cut_too_even_for_its_name_servers_and_their_addresses() {
    for (name, kind) in
        [("myshop.com.", RecordType::NS), ("myshop.com.", RecordType::A), ("ns1.myshop.com.", RecordType::A)]
    {
        let reply = look_up(&com(), name, kind);
        assert!(!reply.authoritative && reply.answers.is_empty(), "{name} {kind}");
        let servers = ["myshop.com. NS ns1.myshop.com.", "myshop.com. NS ns2.myshop.com."];
        assert_eq!(data(&reply.authorities), servers, "{name} {kind}");
        assert_eq!(
            data(&reply.additionals),
            ["ns1.myshop.com. A 127.0.53.3", "ns2.myshop.com. A 127.0.53.3"]
        );
    }
}

#[test]
fn the_ds_of_a_child_is_the_parents_to_deny() {
    let reply = look_up(&com(), "myshop.com.", RecordType::DS);
    assert!(reply.authoritative && reply.answers.is_empty());
    assert_eq!(reply.authorities[0].record_type(), RecordType::SOA);
}

#[test]
fn the_zone_answers_for_itself_with_authority() {
    let reply = look_up(&myshop(), "API.myshop.com.", RecordType::A);
    assert!(reply.authoritative && !reply.recursion_available);
    assert_eq!(data(&reply.answers), ["API.myshop.com. A 127.0.113.50"]);
    assert_eq!(reply.answers[0].ttl, 300);
}

#[test]
fn an_alias_is_followed_within_the_zone() {
    let reply = look_up(&myshop(), "www.myshop.com.", RecordType::A);
    let expected = ["www.myshop.com. CNAME api.myshop.com.", "api.myshop.com. A 127.0.113.50"];
    assert_eq!(data(&reply.answers), expected);
    let reply = look_up(&myshop(), "www.myshop.com.", RecordType::CNAME);
    assert_eq!(data(&reply.answers), expected[..1]);
}

#[test]
fn aliases_that_lead_away_or_nowhere_or_in_a_circle_end() {
    let zones = example("away IN CNAME host.elsewhere.\nlost IN CNAME nowhere\na IN CNAME b\nb IN CNAME a\n");
    let reply = look_up(&zones, "away.example.", RecordType::A);
    assert_eq!((reply.response_code, reply.answers.len()), (ResponseCode::NoError, 1));
    let reply = look_up(&zones, "lost.example.", RecordType::A);
    assert_eq!(reply.response_code, ResponseCode::NXDomain, "RFC 6604: the code of the last name");
    assert_eq!((reply.answers.len(), reply.authorities.len()), (1, 1));
    let reply = look_up(&zones, "a.example.", RecordType::A);
    assert_eq!((reply.response_code, reply.answers.len()), (ResponseCode::NoError, 3));
}

#[test]
fn no_such_name_and_no_such_type_differ_and_may_be_kept_for_the_soa_minimum() {
    for (name, code) in
        [("nope.myshop.com.", ResponseCode::NXDomain), ("api.myshop.com.", ResponseCode::NoError)]
    {
        let reply = look_up(&myshop(), name, RecordType::AAAA);
        assert_eq!((reply.response_code, reply.authoritative), (code, true));
        assert!(reply.answers.is_empty());
        let [soa] = reply.authorities.as_slice() else { panic!("{:?}", reply.authorities) };
        assert!(matches!(soa.data, RData::SOA(_)));
        assert_eq!(soa.ttl, 60, "min(SOA's TTL 300, MINIMUM 60), RFC 2308 §3");
    }
}

#[test]
fn a_name_between_names_exists_without_records() {
    let zones = example("a.b IN A 127.0.0.2\n");
    let reply = look_up(&zones, "b.example.", RecordType::A);
    assert_eq!((reply.response_code, reply.authorities.len()), (ResponseCode::NoError, 1));
    let reply = look_up(&zones, "c.example.", RecordType::A);
    assert_eq!(reply.response_code, ResponseCode::NXDomain);
}

#[test]
fn a_wildcard_answers_for_names_that_do_not_exist_and_for_no_others() {
    let zones = example("*.w IN A 127.0.0.2\nreal.w IN TXT here\nsub.real.w IN A 127.0.0.3\n");
    let reply = look_up(&zones, "x.y.w.example.", RecordType::A);
    assert_eq!(data(&reply.answers), ["x.y.w.example. A 127.0.0.2"]);
    assert_eq!(look_up(&zones, "x.w.example.", RecordType::TXT).response_code, ResponseCode::NoError);
    let reply = look_up(&zones, "real.w.example.", RecordType::A);
    assert!(reply.answers.is_empty(), "the name exists, so the wildcard is silent (RFC 4592 §2.2.1)");
    let reply = look_up(&zones, "x.real.w.example.", RecordType::A);
    assert_eq!(reply.response_code, ResponseCode::NXDomain, "its closest encloser has no wildcard");
}

#[test]
fn a_delegation_beats_the_wildcard_above_it() {
    let zones = example("* IN A 127.0.0.2\nsub IN NS ns.sub\nns.sub IN A 127.0.0.3\n");
    let reply = look_up(&zones, "x.sub.example.", RecordType::A);
    assert!(!reply.authoritative && reply.answers.is_empty());
    assert_eq!(data(&reply.additionals), ["ns.sub.example. A 127.0.0.3"]);
}

#[test]
fn foreign_names_other_classes_and_transfers_are_refused() {
    let myshop = myshop();
    let mut chaos = query("myshop.com.", RecordType::TXT);
    chaos.queries[0].query_class = DNSClass::CH;
    let refused = [
        query("example.org.", RecordType::A),
        query("com.", RecordType::NS),
        query("myshop.com.", RecordType::AXFR),
        chaos,
    ];
    for query in refused {
        for transport in [Transport::Udp, Transport::Tcp] {
            let reply = send(&myshop, &query, transport);
            assert_eq!(reply.response_code, ResponseCode::Refused, "{:?}", query.queries);
            assert!(!reply.authoritative && reply.answers.is_empty() && reply.authorities.is_empty());
        }
    }
}

#[test]
fn any_is_answered_with_one_set() {
    let reply = look_up(&myshop(), "myshop.com.", RecordType::ANY);
    assert_eq!(data(&reply.answers), ["myshop.com. A 127.0.113.50"]);
}

#[test]
fn hosts_named_in_an_answer_bring_their_addresses() {
    let zones = example("@ IN MX 10 mail\nmail IN A 127.0.0.25\n");
    let reply = look_up(&zones, "example.", RecordType::MX);
    assert_eq!(data(&reply.additionals), ["mail.example. A 127.0.0.25"]);
}

#[test]
fn the_deepest_zone_answers_when_one_server_has_parent_and_child() {
    let load = |origin: &str, file| {
        let origin = hickory_proto::rr::Name::from_ascii(origin).unwrap();
        dns::zone::Zone::load(&origin, &crate::zone_file(file)).unwrap()
    };
    let both =
        dns::zone::Zones::new([load("com.", "com.zone"), load("myshop.com.", "myshop.com.zone")]).unwrap();
    let reply = look_up(&both, "api.myshop.com.", RecordType::A);
    assert!(reply.authoritative && reply.answers.len() == 1);
    let reply = look_up(&both, "myshop.com.", RecordType::DS);
    assert_eq!(reply.authorities[0].name.to_ascii(), "com.");
}
