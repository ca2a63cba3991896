use proptest::prelude::*;

use super::*;

fn span() -> Span {
    let mut span = Span::new(
        TraceId([1; 16]),
        SpanId([2; 8]),
        Some(SpanId([3; 8])),
        Kind::Client,
        "GET /stock",
        (1_700_000_000_000_000_001, 1_700_000_000_000_000_999),
    )
    .with("http.response.status_code", 200_i64)
    .with("url.path", "/stock/PROD-123")
    .with("reused", true);
    span.hop = Cow::Borrowed("cart");
    span.links.push(Link { trace_id: TraceId([5; 16]), span_id: SpanId([6; 8]) });
    span.stamps.push(Stamp {
        flow: "tcp 127.0.0.1:40000>127.0.113.50:8443".parse().unwrap(),
        direction: Direction::Request,
        offset: 412,
        event: Event::Tx,
        at: 1_700_000_000_000_000_100,
        quality: Quality::Kernel,
    });
    span
}

#[test]
fn what_is_encoded_is_decoded() {
    assert_eq!(decode(&encode("cart", &[span()])).unwrap(), [span()]);
}

/// Who sends stamps of another meaning is still heard, but its stamps are not taken for ours.
#[test]
fn stamps_of_another_version_are_left_out() {
    let (name, version) = (field(1, b"journey.stamps"), field(2, b"1"));
    let encoded = encode("cart", &[span()]);
    let at = encoded.windows(version.len()).position(|bytes| bytes == version).expect("the version");
    assert_eq!(encoded[at - name.len()..at], name, "it is the scope's");
    let mut later = encoded;
    later[at + 2] = b'2';
    let [read] = &decode(&later).unwrap()[..] else { panic!("one span") };
    assert_eq!(*read, Span { stamps: Vec::new(), ..span() });
}

#[test]
fn spans_without_ids_are_left_out_and_garbage_is_an_error() {
    let mut nameless = span();
    nameless.trace_id = TraceId::default();
    assert_eq!(decode(&encode("cart", &[nameless])).unwrap(), []);
    assert!(decode(b"\xff\xff\xff\xff").is_err());
}

/// Bytes of a length-delimited field.
fn field(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

fn text_attribute(tag: u8, key: &str, value: &str) -> Vec<u8> {
    field(tag, &[field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat())
}

/// An attribute whose value is an array of one text (`AnyValue.array_value`).
fn array_attribute(tag: u8, key: &str) -> Vec<u8> {
    let array = field(5, &field(1, &field(1, b"one")));
    field(tag, &[field(1, key.as_bytes()), field(2, &array)].concat())
}

#[test]
fn a_foreign_program_s_message_is_understood() {
    let event = [
        vec![1 << 3 | 1, 9, 0, 0, 0, 0, 0, 0, 0],
        field(2, b"tx"),
        array_attribute(3, "foreign.tags"),
        text_attribute(3, "journey.flow", "tcp 127.0.0.1:1>127.0.0.2:2"),
        text_attribute(3, "journey.direction", "request"),
        field(3, &[field(1, b"journey.offset"), field(2, &[3 << 3, 7])].concat()),
        vec![4 << 3, 1], // dropped_attributes_count
    ]
    .concat();
    let exception = [field(2, b"exception"), text_attribute(3, "exception.type", "E")].concat();
    let link = field(13, &field(1, &[7; 16]));
    let span = [
        field(1, &[1; 16]),
        field(2, &[2; 8]),
        field(3, b"vendor=1"), // trace_state
        field(5, b"GET"),
        vec![6 << 3, 2],
        array_attribute(9, "http.request.header.accept"),
        text_attribute(9, "url.path", "/x"),
        field(11, &exception),
        field(11, &event),
        link,
        field(15, &[3 << 3, 1]), // status
    ]
    .concat();
    let scope = [field(1, &field(1, b"instrumentation")), field(2, &span), field(3, b"schema")].concat();
    let resource =
        [array_attribute(1, "process.command_args"), text_attribute(1, "service.name", "nginx")].concat();
    let message = field(1, &[field(1, &resource), field(2, &scope), field(3, b"https://schema")].concat());
    let spans = decode(&message).unwrap();
    assert_eq!(spans.len(), 1);
    assert_eq!((&*spans[0].hop, &*spans[0].name, spans[0].kind), ("nginx", "GET", Kind::Server));
    assert_eq!(spans[0].attributes.len(), 1, "arrays are left out: {:?}", spans[0].attributes);
    assert_eq!((spans[0].stamps.len(), spans[0].stamps[0].offset, spans[0].stamps[0].at), (1, 7, 9));
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,300}".prop_map(Value::from),
        any::<i64>().prop_map(Value::Int),
        (-1e9..1e9).prop_map(Value::Double),
        any::<bool>().prop_map(Value::Bool),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _either_way = decode(&bytes);
    }

    #[test]
    fn no_damage_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = encode("cart", &[span(), span()]);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _either_way = decode(&bytes);
        let _either_way = decode(&bytes[..at]);
    }

    #[test]
    fn every_span_survives_the_way(
        name in ".{0,200}",
        parent in proptest::option::of(1..u64::MAX),
        times in any::<(u64, u64)>(),
        values in proptest::collection::vec(any_value(), 0..20),
        offsets in proptest::collection::vec(0..i64::MAX as u64, 0..5),
    ) {
        let mut one = span();
        one.name = Cow::Owned(name);
        one.parent = parent.map(|id| SpanId(id.to_be_bytes()));
        (one.start, one.end) = times;
        one.attributes = values.into_iter().map(|value| (Cow::Borrowed("key"), value)).collect();
        let stamp = one.stamps[0];
        one.stamps = offsets.into_iter().map(|offset| Stamp { offset, ..stamp }).collect();
        let spans = [one.clone(), span(), one];
        prop_assert_eq!(decode(&encode("cart", &spans)).unwrap(), spans);
    }
}
