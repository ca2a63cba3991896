use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::{CNAME, MX, NS, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record};
use proptest::prelude::*;

use super::*;
use crate::{Received, plain, read, to_wire};

/// Few labels, so that many names share their ends, in both cases.
fn name() -> impl Strategy<Value = Name> {
    let label = prop::sample::select(vec!["a", "b", "A", "example", "ExAmple", "long-label-of-a-host"]);
    prop::collection::vec(label, 0..5).prop_map(|labels| {
        let mut name = Name::from_labels(labels.iter().map(|label| label.as_bytes())).unwrap();
        name.set_fqdn(true);
        name
    })
}

fn data() -> impl Strategy<Value = RData> {
    prop_oneof![
        name().prop_map(|name| RData::NS(NS(name))),
        name().prop_map(|name| RData::CNAME(CNAME(name))),
        (any::<u16>(), name()).prop_map(|(preference, name)| RData::MX(MX::new(preference, name))),
        (name(), name()).prop_map(|(server, mail)| RData::SOA(SOA::new(server, mail, 1, 2, 3, 4, 5))),
        name().prop_map(|name| RData::SRV(SRV::new(1, 2, 3, name))),
        "[a-z]{0,200}".prop_map(|text| RData::TXT(TXT::new(vec![text]))),
    ]
}

fn query() -> impl Strategy<Value = Message> {
    (name(), any::<(u16, bool, bool)>(), prop::option::of((any::<u16>(), any::<bool>()))).prop_map(
        |(name, (id, recursion_desired, checking_disabled), edns)| {
            let mut query = Message::query();
            query.metadata.id = id;
            query.metadata.recursion_desired = recursion_desired;
            query.metadata.checking_disabled = checking_disabled;
            query.add_query(Query::query(name, RecordType::A));
            query.edns = edns.map(|(payload, dnssec_ok)| {
                let mut edns = Edns::new();
                edns.set_max_payload(payload).set_dnssec_ok(dnssec_ok);
                edns
            });
            query
        },
    )
}

fn wire(data: &RData) -> Vec<u8> {
    crate::data_to_wire(data).unwrap()
}

fn written(query: &Message, records: &[(Section, Record)], limit: usize, glue: bool) -> Vec<u8> {
    let (bytes, mut message) = (query.to_vec().unwrap(), Vec::new());
    let mut response = ResponseWriter::to(PlainQuery::read(&bytes).expect("a plain query"), &mut message);
    response.authoritative(true);
    for (section, record) in records {
        let owner = to_wire(&record.name);
        let owner = if record.name == query.queries[0].name { Owner::Question } else { Owner::Name(&owner) };
        response.add(*section, owner, record.record_type(), record.ttl, &wire(&record.data));
    }
    response.finish(ResponseCode::NXDomain, limit, glue);
    message
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Another implementation reads what was meant, and needs about as many bytes for it.
    #[test]
    fn hickory_reads_what_was_written(
        query in query(),
        answers in prop::collection::vec((name(), any::<u32>(), data()), 0..12),
        authorities in prop::collection::vec((name(), any::<u32>(), data()), 0..4),
        additionals in prop::collection::vec((name(), any::<u32>(), data()), 0..12),
    ) {
        let records = |section, of: &[(Name, u32, RData)]| {
            let record = |(name, ttl, data): &(Name, u32, RData)| Record::from_rdata(name.clone(), *ttl, data.clone());
            of.iter().map(record).map(|record| (section, record)).collect::<Vec<_>>()
        };
        let sections = [
            records(Section::Answers, &answers),
            records(Section::Authorities, &authorities),
            records(Section::Additionals, &additionals),
        ];
        let bytes = written(&query, &sections.concat(), usize::from(u16::MAX), false);
        let mut wanted = crate::reply_to(&query);
        wanted.metadata.authoritative = true;
        wanted.metadata.response_code = ResponseCode::NXDomain;
        let [answers, authorities, additionals] =
            sections.map(|section| section.into_iter().map(|(_, record)| record).collect::<Vec<_>>());
        (wanted.answers, wanted.authorities, wanted.additionals) = (answers, authorities, additionals);
        let read = Message::from_vec(&bytes).unwrap();
        // Names are the same in any case, and a pointer may lead to another spelling.
        let lower = |message: &Message| format!("{message:?}").to_lowercase();
        prop_assert_eq!(lower(&read), lower(&Message::from_vec(&wanted.to_vec().unwrap()).unwrap()));
        prop_assert_eq!(&read.queries, &query.queries);
        // hickory lets pointers lead into an SRV record's data, too.
        let srv = bytes.windows(4).any(|four| four == [0, 33, 0, 1]);
        prop_assert!(srv || bytes.len() <= wanted.to_vec().unwrap().len(), "compressed at least as well");
    }

    #[test]
    fn it_is_never_longer_than_its_limit_and_cuts_whole_sections(
        query in query(),
        records in prop::collection::vec((name(), any::<u32>(), data()), 1..40),
        limit in 512usize..1232,
        glue in any::<bool>(),
    ) {
        let split = records.len() / 2;
        let records: Vec<_> = records.into_iter().enumerate().map(|(number, (name, ttl, data))| {
            let section = if number < split { Section::Answers } else { Section::Additionals };
            (section, Record::from_rdata(name, ttl, data))
        }).collect();
        let bytes = written(&query, &records, limit, glue);
        prop_assert!(bytes.len() <= limit);
        let read = Message::from_vec(&bytes).unwrap();
        prop_assert_eq!(read.edns.is_some(), query.edns.is_some());
        let counts = (read.answers.len(), read.additionals.len(), read.truncation);
        let (answers, additionals) = (split, records.len() - split);
        let allowed = [(answers, additionals, false), (0, 0, true), (answers, 0, false)];
        prop_assert!(allowed[..if glue { 2 } else { 3 }].contains(&counts), "{:?}", counts);
    }

    /// The short way and the long one read the same out of a query.
    #[test]
    fn a_plain_query_says_what_hickory_reads(query in query()) {
        let bytes = query.to_vec().unwrap();
        let short = PlainQuery::read(&bytes).unwrap();
        prop_assert_eq!((short.id(), short.recursion_desired()), (query.id, query.recursion_desired));
        prop_assert_eq!(short.name(), to_wire(&query.queries[0].name));
        prop_assert_eq!((short.kind(), short.class()), (query.queries[0].query_type, query.queries[0].query_class));
        prop_assert_eq!(short.edns(), query.edns.as_ref().map(|edns| edns.flags().dnssec_ok));
        prop_assert_eq!(short.datagram_limit(), crate::datagram_limit(&query));
        prop_assert_eq!(plain(&query), bytes, "and it is plain already");
    }

    /// What the short way takes for a query, the long one does, too.
    #[test]
    fn a_damaged_query_is_plain_only_if_it_is_one(
        query in query(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in 0usize..3,
    ) {
        let mut bytes = query.to_vec().unwrap();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - cut);
        if let Some(short) = PlainQuery::read(&bytes) {
            let Received::Question(long) = read(&bytes) else { panic!("no question: {bytes:?}") };
            prop_assert_eq!(to_wire(&long.queries[0].name), short.name());
            prop_assert_eq!(long.edns.is_some(), short.edns().is_some());
        }
    }
}
