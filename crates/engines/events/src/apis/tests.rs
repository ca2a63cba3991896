use bytes::{BufMut as _, Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    ApiKey, ApiVersionsRequest, BrokerId, CreateTopicsRequest, FetchRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, ProduceRequest, RequestHeader, TopicName,
    TransactionalId,
};
use kafka_protocol::protocol::{Encodable, HeaderVersion, StrBytes};
use proptest::prelude::*;

use super::versions::SERVED;
use super::{Call, Refusal};

fn encode<R: Encodable + HeaderVersion>(api: ApiKey, version: i16, request: &R) -> Bytes {
    let mut frame = BytesMut::new();
    let header = RequestHeader::default()
        .with_request_api_key(api as i16)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("tests")));
    header.encode(&mut frame, R::header_version(version)).expect("encode the header");
    request.encode(&mut frame, version).unwrap_or_else(|error| panic!("{api:?} version {version}: {error}"));
    frame.freeze()
}

fn name(text: &'static str) -> TopicName {
    TopicName(StrBytes::from_static_str(text))
}

/// A request with something in every list, in a version.
fn full(api: ApiKey, version: i16) -> Bytes {
    match api {
        ApiKey::Produce => {
            let data = |index| {
                PartitionProduceData::default()
                    .with_index(index)
                    .with_records(Some(Bytes::from_static(b"abc")))
            };
            let topic =
                TopicProduceData::default().with_name(name("a")).with_partition_data(vec![data(0), data(1)]);
            let id = TransactionalId(StrBytes::from_static_str("id"));
            let request = ProduceRequest::default()
                .with_acks(-1)
                .with_transactional_id(Some(id))
                .with_topic_data(vec![topic.clone(), topic]);
            encode(api, version, &request)
        }
        ApiKey::Fetch => {
            let partition = FetchPartition::default().with_partition(3).with_fetch_offset(9);
            let topic = FetchTopic::default()
                .with_topic(name("a"))
                .with_partitions(vec![partition.clone(), partition]);
            let forgotten = ForgottenTopic::default().with_topic(name("b")).with_partitions(vec![1, 2, 3]);
            let mut request = FetchRequest::default().with_topics(vec![topic.clone(), topic]);
            if version >= 7 {
                request.forgotten_topics_data = vec![forgotten];
            }
            if version >= 11 {
                request.rack_id = StrBytes::from_static_str("rack");
            }
            if version >= 12 {
                request.cluster_id = Some(StrBytes::from_static_str("cluster"));
            }
            encode(api, version, &request)
        }
        ApiKey::ListOffsets => {
            let partition = ListOffsetsPartition::default().with_timestamp(-1);
            let topic = ListOffsetsTopic::default()
                .with_name(name("a"))
                .with_partitions(vec![partition.clone(), partition]);
            encode(api, version, &ListOffsetsRequest::default().with_topics(vec![topic.clone(), topic]))
        }
        ApiKey::Metadata => {
            let topic = MetadataRequestTopic::default().with_name(Some(name("a")));
            encode(api, version, &MetadataRequest::default().with_topics(Some(vec![topic.clone(), topic])))
        }
        ApiKey::CreateTopics => {
            let assignment =
                CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(1), BrokerId(2)]);
            let config = CreatableTopicConfig::default().with_name(StrBytes::from_static_str("k"));
            let topic = CreatableTopic::default()
                .with_name(name("a"))
                .with_assignments(vec![assignment])
                .with_configs(vec![config]);
            encode(api, version, &CreateTopicsRequest::default().with_topics(vec![topic.clone(), topic]))
        }
        ApiKey::FindCoordinator => {
            let key = StrBytes::from_static_str("group");
            let request = FindCoordinatorRequest::default();
            let request = match version {
                4.. => request.with_coordinator_keys(vec![key.clone(), key]),
                _ => request.with_key(key),
            };
            encode(api, version, &request)
        }
        ApiKey::ApiVersions => {
            let request = ApiVersionsRequest::default();
            let text = StrBytes::from_static_str("tests");
            let request = match version {
                3.. => request.with_client_software_name(text.clone()).with_client_software_version(text),
                _ => request,
            };
            encode(api, version, &request)
        }
        ApiKey::InitProducerId => encode(api, version, &InitProducerIdRequest::default()),
        other => panic!("{other:?} is not served"),
    }
}

fn every_version() -> impl Iterator<Item = (ApiKey, i16)> {
    SERVED.iter().flat_map(|(api, _, first, last)| (*first..=*last).map(|version| (*api, version)))
}

#[test]
fn every_version_of_every_request_is_understood() {
    for (api, version) in every_version() {
        let call = Call::decode(full(api, version));
        let call = call.unwrap_or_else(|error| panic!("{api:?} version {version}: {error}"));
        assert_eq!((call.api, call.version, call.correlation), (api, version, 7));
    }
}

#[test]
fn a_request_cut_anywhere_is_refused() {
    for (api, version) in every_version() {
        let whole = full(api, version);
        for length in 0..whole.len() {
            assert!(
                Call::decode(whole.slice(..length)).is_err(),
                "{api:?} version {version}, {length} bytes"
            );
        }
    }
}

#[test]
fn what_is_not_served_is_refused_by_name() {
    let frame = |key: i16, version: i16| {
        let mut frame = BytesMut::new();
        frame.put_i16(key);
        frame.put_i16(version);
        frame.put_slice(&[0; 20]);
        Call::decode(frame.freeze())
    };
    assert!(matches!(frame(11, 0), Err(Refusal::UnknownApi(11))), "JoinGroup");
    assert!(matches!(frame(999, 0), Err(Refusal::UnknownApi(999))));
    assert!(matches!(frame(0, 0), Err(Refusal::Version(ApiKey::Produce, 0))), "advertised, not served");
    assert!(matches!(frame(1, 13), Err(Refusal::Version(ApiKey::Fetch, 13))));
    let future = frame(18, 99).expect("the one question that is answered in any version");
    assert!(matches!(future.request, super::Request::ApiVersions { supported: false }));
    assert!(matches!(Call::decode(Bytes::from_static(b"GET")), Err(Refusal::TooShort(3))));
}

/// One of the APIs served, and a version of it.
fn api() -> impl Strategy<Value = (ApiKey, i16)> {
    proptest::sample::select(every_version().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// A panic or an allocation without measure would end this process, and the server's.
    #[test]
    fn random_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Call::decode(bytes.into());
    }

    #[test]
    fn random_bodies_are_decoded_or_refused(
        (api, version) in api(), body in proptest::collection::vec(any::<u8>(), 0..300)
    ) {
        let mut frame = BytesMut::new();
        frame.put_i16(api as i16);
        frame.put_i16(version);
        frame.put_i32(1);
        frame.put_i16(-1); // no client id
        if full(api, version).len() > 300 { unreachable!("small requests") }
        frame.put_slice(&body);
        let _ = Call::decode(frame.freeze());
    }

    /// Nearly right is more dangerous than random: lengths that lie.
    #[test]
    fn damaged_requests_are_decoded_or_refused(
        (api, version) in api(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut frame = full(api, version).to_vec();
        for (at, byte) in damage {
            let at = at.index(frame.len());
            if at >= 4 { frame[at] = byte }
        }
        let _ = Call::decode(frame.into());
    }
}
