use hickory_proto::rr::rdata::{A, CNAME, SOA};
use recursion::NameServer;

use super::*;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn address(owner: &str, ttl: u32) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A::new(127, 0, 0, 1)))
}

fn soa(ttl: u32) -> Record {
    let soa = SOA::new(name("ns."), name("host."), 1, 2, 3, 4, 60);
    Record::from_rdata(name("com."), ttl, RData::SOA(soa))
}

fn found(records: Vec<Record>) -> Finding {
    Finding { aliases: Vec::new(), end: End::Records(records) }
}

fn now() -> Instant {
    hop::clock::monotonic()
}

fn ttl(finding: Option<Finding>) -> Option<u32> {
    match finding?.end {
        End::Records(records) => Some(records[0].ttl),
        End::NoData(soa) | End::NxDomain(soa) => Some(soa?.ttl),
        End::Alias(_) => None,
    }
}

#[test]
fn a_ttl_counts_down_and_runs_out() {
    let (mut cache, begun, owner) = (Cache::new(), now(), name("a.com."));
    cache.keep(&owner, RecordType::A, &found(vec![address("a.com.", 300)]), begun);
    let mut after = |millis| ttl(cache.find(&owner, RecordType::A, begun + Duration::from_millis(millis)));
    assert_eq!(after(0), Some(300), "the same for the first who finds it as for who asked");
    assert_eq!((after(999), after(1_000), after(299_999)), (Some(300), Some(299), Some(1)));
    assert_eq!(after(300_000), None);
}

#[test]
fn names_are_the_same_in_any_case() {
    let (mut cache, begun) = (Cache::new(), now());
    cache.keep(&name("a.com."), RecordType::A, &found(vec![address("a.com.", 300)]), begun);
    assert!(cache.find(&name("A.Com."), RecordType::A, begun).is_some());
}

#[test]
fn what_lives_for_no_time_is_not_kept() {
    let (mut cache, begun, owner) = (Cache::new(), now(), name("a.com."));
    cache.keep(&owner, RecordType::A, &found(vec![address("a.com.", 0)]), begun);
    cache.keep(&owner, RecordType::AAAA, &Finding { aliases: Vec::new(), end: End::NoData(None) }, begun);
    assert!(cache.find(&owner, RecordType::A, begun).is_none());
    assert!(cache.find(&owner, RecordType::AAAA, begun).is_none(), "no SOA, no time (RFC 2308 §5)");
}

#[test]
fn a_name_that_appears_is_no_longer_absent() {
    let (mut cache, begun, owner) = (Cache::new(), now(), name("a.com."));
    cache.keep(
        &owner,
        RecordType::A,
        &Finding { aliases: Vec::new(), end: End::NxDomain(Some(soa(60))) },
        begun,
    );
    assert!(matches!(cache.find(&owner, RecordType::TXT, begun).unwrap().end, End::NxDomain(_)));
    cache.keep(&owner, RecordType::A, &found(vec![address("a.com.", 300)]), begun);
    assert!(cache.find(&owner, RecordType::TXT, begun).is_none());
}

#[test]
fn each_alias_of_a_finding_is_known_by_itself() {
    let (mut cache, begun) = (Cache::new(), now());
    let alias = |from, to| Record::from_rdata(name(from), 60, RData::CNAME(CNAME(name(to))));
    let aliases = vec![alias("a.com.", "b.com."), alias("b.com.", "c.com.")];
    cache.keep(
        &name("a.com."),
        RecordType::A,
        &Finding { aliases, end: End::NxDomain(Some(soa(60))) },
        begun,
    );
    let next = |cache: &mut Cache, from| cache.find(&name(from), RecordType::A, begun).unwrap().end;
    assert!(matches!(next(&mut cache, "a.com."), End::Alias(to) if to == name("b.com.")));
    assert!(matches!(next(&mut cache, "b.com."), End::Alias(to) if to == name("c.com.")));
    assert!(matches!(next(&mut cache, "c.com."), End::NxDomain(Some(_))));
    assert!(cache.find(&name("a.com."), RecordType::ANY, begun).is_none(), "ANY follows no alias");
}

#[test]
fn glue_is_no_answer() {
    let (mut cache, begun) = (Cache::new(), now());
    let server = NameServer { name: name("ns.a.com."), glue: vec![[127, 0, 0, 1].into()] };
    let delegation = Delegation { zone: name("a.com."), servers: vec![server] };
    cache.keep_delegation(delegation.clone(), 300, begun);
    assert_eq!(cache.delegation(&name("x.y.a.com."), RecordType::A, begun), Some(delegation));
    assert!(cache.delegation(&name("a.com."), RecordType::DS, begun).is_none(), "DS is above the cut");
    for kind in [RecordType::A, RecordType::NS] {
        assert!(cache.find(&name("ns.a.com."), kind, begun).is_none());
        assert!(cache.find(&name("a.com."), kind, begun).is_none());
    }
}

#[test]
fn a_failure_is_short_and_ends_with_news() {
    let (mut cache, begun, owner) = (Cache::new(), now(), name("a.com."));
    let reason = ExtendedError { code: 22, text: "gone".to_owned() };
    let kind = RecordType::A;
    cache.keep_failure(owner.clone(), kind, reason.clone(), begun);
    assert_eq!(cache.failure(&owner, kind, begun + FAILURE / 2), Some(reason.clone()));
    assert_eq!(cache.failure(&owner, kind, begun + FAILURE), None);
    cache.keep_failure(owner.clone(), kind, reason, begun);
    let shared = SharedCache(Mutex::new(cache));
    recursion::Cache::server_recovered(&shared);
    assert_eq!(shared.lock().failure(&owner, kind, begun), None);
}

#[test]
fn it_has_room_for_so_many_bytes_and_no_more() {
    let (mut cache, begun) = (Cache::new(), now());
    let many: Vec<Record> = (0..400).map(|_| address("x.com.", 300)).collect();
    let mut popular = 0;
    for n in 0..1_000 {
        cache.keep(&name(&format!("n{n}.com.")), RecordType::A, &found(many.clone()), begun);
        popular += usize::from(cache.find(&name("n0.com."), RecordType::A, begun).is_some());
        assert!(cache.bytes <= MAX_BYTES);
    }
    assert_eq!(popular, 1_000, "what is used stays");
    assert!(cache.find(&name("n1.com."), RecordType::A, begun).is_none(), "what is not goes first");
    let counted: usize = cache.entries.iter().map(|(_, entry)| entry.bytes).sum();
    assert_eq!(cache.bytes, counted);
}
