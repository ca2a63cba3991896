//! Metadata: which topics there are, and who serves them.
//!
//! A request that names a topic which does not exist creates it, as Kafka does by default
//! (`auto.create.topics.enable`).

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId, MetadataRequest, MetadataResponse, TopicName};

use super::response::text;
use crate::broker::{Broker, CLUSTER, NODE};
use crate::topics::CreateError;

/// The topics named, or all.
pub async fn respond(broker: &Broker, request: MetadataRequest, version: i16) -> MetadataResponse {
    // Before version 4 there was no choice.
    let may_create = version < 4 || request.allow_auto_topic_creation;
    let topics = match request.topics {
        // "All topics" is an empty list in version 0 and null later; an empty list then means none.
        Some(topics) if version > 0 || !topics.is_empty() => {
            let mut described = Vec::with_capacity(topics.len());
            for topic in topics {
                described.push(one(broker, topic, may_create).await);
            }
            described
        }
        _ => broker
            .topics
            .all()
            .into_iter()
            .map(|(name, all)| known(TopicName(text(name)), all.len()))
            .collect(),
    };
    let node = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE))
        .with_host(text(&broker.advertised.host))
        .with_port(i32::from(broker.advertised.port));
    MetadataResponse::default()
        .with_cluster_id(Some(text(CLUSTER)))
        .with_controller_id(BrokerId(NODE))
        .with_brokers(vec![node])
        .with_topics(topics)
}

async fn one(broker: &Broker, topic: MetadataRequestTopic, may_create: bool) -> MetadataResponseTopic {
    let Some(name) = topic.name else {
        // Requested by id (KIP-516). Topics have none here.
        return MetadataResponseTopic::default()
            .with_error_code(ResponseError::UnknownTopicId.code())
            .with_topic_id(topic.topic_id)
            .with_name(Some(TopicName(text(""))));
    };
    if let Some(partitions) = broker.topics.get(&name) {
        return known(name, partitions.len());
    }
    let created = if may_create {
        broker.topics.create(&name, broker.partitions, true).await.map_err(|error| match error {
            // Someone else was faster: the client tries again at once.
            CreateError::Exists => ResponseError::LeaderNotAvailable,
            error => error.code(),
        })
    } else {
        Err(ResponseError::UnknownTopicOrPartition)
    };
    match created {
        Ok(partitions) => known(name, partitions.len()),
        Err(code) => MetadataResponseTopic::default().with_error_code(code.code()).with_name(Some(name)),
    }
}

fn known(name: TopicName, partitions: usize) -> MetadataResponseTopic {
    let partition = |number| {
        MetadataResponsePartition::default()
            .with_partition_index(number)
            .with_leader_id(BrokerId(NODE))
            .with_leader_epoch(0)
            .with_replica_nodes(vec![BrokerId(NODE)])
            .with_isr_nodes(vec![BrokerId(NODE)])
    };
    let count = i32::try_from(partitions).unwrap_or(i32::MAX);
    MetadataResponseTopic::default()
        .with_name(Some(name))
        .with_partitions((0..count).map(partition).collect())
}
