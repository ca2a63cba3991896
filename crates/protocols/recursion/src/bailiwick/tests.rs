use hickory_proto::op::Query;
use hickory_proto::rr::rdata::{A, CNAME, NS, NULL, SOA};

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn record(owner: &str, ttl: u32, data: RData) -> Record {
    Record::from_rdata(name(owner), ttl, data)
}

fn address(owner: &str, ttl: u32, last: u8) -> Record {
    record(owner, ttl, RData::A(A::new(127, 0, 0, last)))
}

fn alias(owner: &str, to: &str) -> Record {
    record(owner, 60, RData::CNAME(CNAME(name(to))))
}

fn soa_of(zone: &str, ttl: u32, minimum: u32) -> Record {
    record(zone, ttl, RData::SOA(SOA::new(name("ns."), name("host."), 1, 2, 3, 4, minimum)))
}

/// An authoritative response of a server of `com.` to `question A`.
fn response(question: &str, answers: Vec<Record>, authorities: Vec<Record>) -> Message {
    let mut response = Message::response(1, hickory_proto::op::OpCode::Query);
    response.add_query(Query::query(name(question), RecordType::A));
    response.metadata.authoritative = true;
    (response.answers, response.authorities) = (answers, authorities);
    response
}

fn read_a(response: &Message) -> Classified {
    let name = response.queries[0].name.clone();
    classify(&Name::from_ascii("com.").unwrap(), &name, RecordType::A, response)
}

fn finding(response: &Message) -> Finding {
    match read_a(response) {
        Classified::Finding(finding) => finding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_set_has_one_ttl_and_no_duplicates_and_lasts_a_day_at_most() {
    let answers = vec![address("a.com.", 300, 1), address("A.com.", 20, 2), address("a.com.", 9, 1)];
    let End::Records(records) = finding(&response("a.com.", answers, vec![])).end else { panic!() };
    assert_eq!(records.iter().map(|record| record.ttl).collect::<Vec<_>>(), [9, 9]);
    for ttl in [86_401, u32::MAX] {
        let End::Records(records) = finding(&response("a.com.", vec![address("a.com.", ttl, 1)], vec![])).end
        else {
            panic!()
        };
        assert_eq!(records[0].ttl, MAX_TTL, "{ttl}");
    }
}

#[test]
fn what_is_not_in_the_zone_is_not_believed() {
    let answers =
        vec![alias("a.com.", "bank.org."), address("bank.org.", 300, 66), address("b.com.", 300, 7)];
    let found = finding(&response("a.com.", answers, vec![]));
    assert_eq!(found.aliases.len(), 1);
    assert!(matches!(found.end, End::Alias(to) if to == name("bank.org.")));
    // A denial by somebody else's SOA is none.
    let denial = response("a.com.", vec![], vec![soa_of("org.", 60, 60)]);
    assert!(matches!(finding(&denial).end, End::NoData(None)));
}

#[test]
fn a_no_keeps_its_aliases_and_has_the_shorter_of_two_ttls() {
    let chain = || vec![alias("a.com.", "b.com."), alias("b.com.", "c.com.")];
    let mut denial = response("a.com.", chain(), vec![soa_of("com.", 300, 60)]);
    let found = finding(&denial);
    assert_eq!(found.aliases, chain());
    assert!(matches!(found.end, End::NoData(Some(soa)) if soa.ttl == 60));
    denial.metadata.response_code = ResponseCode::NXDomain;
    assert!(matches!(finding(&denial).end, End::NxDomain(Some(_))), "of c.com. (RFC 6604 §3)");
    // The code says nothing about a name that is not theirs.
    denial.answers.push(alias("c.com.", "d.org."));
    assert!(matches!(finding(&denial).end, End::Alias(to) if to == name("d.org.")));
    let long = response("a.com.", vec![], vec![soa_of("com.", 1_000_000, 1_000_000)]);
    assert!(matches!(finding(&long).end, End::NoData(Some(soa)) if soa.ttl == MAX_NEGATIVE_TTL));
}

#[test]
fn a_dname_renames_and_the_cname_beside_it_is_not_trusted() {
    let wire = hickory_proto::serialize::binary::BinEncodable::to_bytes(&name("new.com.")).unwrap();
    let data = RData::Unknown { code: RecordType::DNAME, rdata: NULL::with(wire) };
    let answers = vec![
        record("old.com.", 90, data),
        alias("x.old.com.", "evil.com."),
        address("x.new.com.", 60, 3),
        address("evil.com.", 60, 66),
    ];
    let found = finding(&response("x.old.com.", answers, vec![]));
    let kinds: Vec<RecordType> = found.aliases.iter().map(Record::record_type).collect();
    assert_eq!(kinds, [RecordType::DNAME, RecordType::CNAME]);
    assert_eq!(target(&found.aliases[1]), Some(name("x.new.com.")));
    assert!(matches!(found.end, End::Records(records) if records[0].name == name("x.new.com.")));
}

#[test]
fn a_referral_goes_down_towards_the_name_and_brings_glue_of_its_own_zone_only() {
    let ns = |zone, server| record(zone, 300, RData::NS(NS(name(server))));
    let refer = |authorities| {
        let mut response = response("x.a.com.", vec![], authorities);
        response.additionals = vec![address("ns.a.com.", 200, 1), address("ns.b.org.", 200, 66)];
        read_a(&response)
    };
    let Classified::Referral(delegation, ttl) =
        refer(vec![ns("a.com.", "ns.a.com."), ns("a.com.", "ns.b.org.")])
    else {
        panic!()
    };
    let glue: Vec<usize> = delegation.servers.iter().map(|server| server.glue.len()).collect();
    assert_eq!((delegation.zone, glue, ttl), (name("a.com."), vec![1, 0], 200));
    for elsewhere in ["com.", ".", "org.", "b.com.", "y.x.a.com."] {
        assert!(matches!(refer(vec![ns(elsewhere, "ns.a.com.")]), Classified::Lame(_)), "{elsewhere}");
    }
}

#[test]
fn who_is_no_server_of_the_zone_is_lame() {
    let mut resolver = response("a.com.", vec![address("a.com.", 300, 66)], vec![]);
    resolver.metadata.authoritative = false;
    resolver.metadata.recursion_available = true;
    let mut empty = response("a.com.", vec![], vec![]);
    empty.metadata.authoritative = false;
    let mut refused = response("a.com.", vec![], vec![]);
    refused.metadata.response_code = ResponseCode::Refused;
    let mut cut = response("a.com.", vec![address("a.com.", 300, 1)], vec![]);
    cut.metadata.truncation = true;
    for lame in [resolver, empty, refused, cut] {
        assert!(matches!(read_a(&lame), Classified::Lame(_)), "{lame:?}");
    }
}
