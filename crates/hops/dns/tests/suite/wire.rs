use dns::respond::respond;
use hickory_proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_proto::rr::RecordType;
use journey::Transport;
use proptest::prelude::*;

use crate::{com, example, myshop, query, root, send};

#[test]
fn what_does_not_fit_is_cut_whole_and_says_so() {
    let myshop = myshop();
    for (size, edns) in [(None, 512), (Some(512), 512), (Some(1232), 1232), (Some(4096), 1232)] {
        let mut query = query("big.myshop.com.", RecordType::TXT);
        query.edns = size.map(|size| {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            edns
        });
        let bytes = respond(&myshop, &query.to_vec().unwrap(), Transport::Udp).unwrap().bytes;
        assert!(bytes.len() <= edns, "{} bytes for {size:?}", bytes.len());
        let reply = Message::from_vec(&bytes).unwrap();
        assert!(reply.truncation && reply.answers.is_empty());
        assert_eq!(reply.queries, query.queries);
        assert_eq!(reply.edns.is_some(), size.is_some(), "OPT answers OPT, also when cut (RFC 6891 §6.1.1)");
    }
    let reply = send(&myshop, &query("big.myshop.com.", RecordType::TXT), Transport::Tcp);
    assert!(!reply.truncation);
    assert_eq!(reply.answers.len(), 12);
}

#[test]
fn courtesy_records_give_way_but_glue_does_not() {
    let names = |line: &dyn Fn(usize) -> String| (0..12).map(line).collect::<String>();
    // Twelve MX records fit into 512 bytes; with their addresses they do not.
    let mail = names(&|n| format!("@ IN MX {n} m{n}\nm{n} IN A 127.0.0.{n}\nm{n} IN AAAA ::{n}\n"));
    let mut query = query("example.", RecordType::MX);
    query.edns = None;
    let reply = send(&example(&mail), &query, Transport::Udp);
    assert!(!reply.truncation && reply.answers.len() == 12 && reply.additionals.is_empty());

    let glue = names(&|n| format!("sub IN NS n{n}.sub\nn{n}.sub IN A 127.0.0.{n}\nn{n}.sub IN AAAA ::{n}\n"));
    query.queries[0].name = "x.sub.example.".parse().unwrap();
    let reply = send(&example(&glue), &query, Transport::Udp);
    assert!(reply.truncation, "a referral without its glue leads nowhere (RFC 9471)");
}

#[test]
fn faults_get_the_code_that_names_them() {
    let zones = myshop();
    let code = |bytes: &[u8]| {
        let response = respond(&zones, bytes, Transport::Udp).unwrap();
        let reply = Message::from_vec(&response.bytes).unwrap();
        assert_eq!(reply.id.to_be_bytes(), bytes[..2]);
        let readable = Message::from_vec(bytes).ok();
        let edns = readable.is_some_and(|sent| sent.edns.is_some());
        assert_eq!(reply.edns.is_some(), edns, "OPT answers OPT, in errors too (RFC 6891 §6.1.1)");
        reply.response_code
    };
    let good = query("api.myshop.com.", RecordType::A);
    let mut update = good.clone();
    update.metadata.op_code = OpCode::Notify;
    assert_eq!(code(&update.to_vec().unwrap()), ResponseCode::NotImp);
    let mut two = good.clone();
    two.add_query(good.queries[0].clone());
    assert_eq!(code(&two.to_vec().unwrap()), ResponseCode::FormErr);
    let mut none = good.clone();
    none.queries.clear();
    assert_eq!(code(&none.to_vec().unwrap()), ResponseCode::FormErr);
    let bytes = good.to_vec().unwrap();
    assert_eq!(code(&bytes[..20]), ResponseCode::FormErr, "cut in the middle of the question");
    let mut later = good.clone();
    if let Some(edns) = &mut later.edns {
        edns.set_version(1);
    }
    // 16 means BADVERS here and BADSIG elsewhere (RFC 6895 §2.3).
    assert_eq!(u16::from(code(&later.to_vec().unwrap())), 16);
}

#[test]
fn a_malformed_opt_record_is_a_format_error() {
    let zones = myshop();
    let mut bare = query("api.myshop.com.", RecordType::A);
    bare.edns = None;
    // Owner, type 41, payload size, extended RCODE and flags, length, options (RFC 6891 §6.1.2).
    let with = |opts: &[&[u8]]| {
        let mut bytes = bare.to_vec().unwrap();
        bytes[11] = u8::try_from(opts.len()).unwrap();
        bytes.extend(opts.concat());
        let response = respond(&zones, &bytes, Transport::Udp).unwrap();
        Message::from_vec(&response.bytes).unwrap().response_code
    };
    let good = b"\0\0\x29\x04\xd0\0\0\0\0\0\0".as_slice();
    assert_eq!(with(&[good]), ResponseCode::NoError);
    assert_eq!(with(&[good, good]), ResponseCode::FormErr, "two (RFC 6891 §6.1.1)");
    let owned = b"\x01x\0\0\x29\x04\xd0\0\0\0\0\0\0".as_slice();
    assert_eq!(with(&[owned]), ResponseCode::FormErr, "of another name than the root");
    let pointed = b"\xc0\x0c\0\x29\x04\xd0\0\0\0\0\0\0".as_slice();
    assert_eq!(with(&[pointed]), ResponseCode::FormErr, "of the question's name");
    let longer = b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\0\x0a\0\x08\x01".as_slice();
    assert_eq!(with(&[longer]), ResponseCode::FormErr, "an option that is longer than its record");
    let unknown = b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\xff\x0a\0\x01\x01".as_slice();
    assert_eq!(with(&[unknown]), ResponseCode::NoError, "unknown options are ignored (RFC 6891 §6.1.2)");
}

#[test]
fn responses_and_fragments_are_not_answered() {
    let zones = myshop();
    let mut response = query("api.myshop.com.", RecordType::A).to_vec().unwrap();
    response[2] |= 0x80;
    assert!(respond(&zones, &response, Transport::Udp).is_none(), "two servers would talk for ever");
    assert!(respond(&zones, &response[..11], Transport::Udp).is_none());
    assert!(respond(&zones, &[], Transport::Udp).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = respond(&root(), &bytes, Transport::Udp);
    }

    /// Nearly right messages reach deeper than random ones.
    #[test]
    fn nor_do_damaged_queries(
        name in "[a-z*]{1,9}(\\.[a-z*]{1,9}){0,3}\\.(com|myshop\\.com)?\\.?",
        kind in any::<u16>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let Ok(name) = hickory_proto::rr::Name::from_ascii(&name) else { return Ok(()) };
        let mut query = query("x.", RecordType::from(kind));
        query.queries[0].name = name;
        query.queries[0].name.set_fqdn(true);
        let mut bytes = query.to_vec().unwrap();
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for zones in [root(), com(), myshop()] {
            if let Some(response) = respond(&zones, &bytes, Transport::Udp) {
                prop_assert!(response.bytes.len() <= 1232);
                prop_assert!(Message::from_vec(&response.bytes).is_ok());
            }
        }
    }
}
