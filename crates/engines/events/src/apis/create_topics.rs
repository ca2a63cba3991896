//! CreateTopics.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};

use super::response::text;
use crate::broker::Broker;

/// Creates what can be created and says why the rest cannot.
pub async fn respond(broker: &Broker, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let result = CreatableTopicResult::default();
        let result = match create(broker, &topic, !request.validate_only).await {
            Ok(partitions) => result
                .with_num_partitions(partitions)
                .with_replication_factor(1)
                .with_configs(Some(Vec::new())),
            Err((code, why)) => result.with_error_code(code.code()).with_error_message(Some(text(why))),
        };
        results.push(result.with_name(topic.name));
    }
    CreateTopicsResponse::default().with_topics(results)
}

/// Refuses what would be promised and not kept. Returns the number of partitions.
async fn create(
    broker: &Broker,
    topic: &CreatableTopic,
    really: bool,
) -> Result<i32, (ResponseError, String)> {
    let refuse = |code: ResponseError, why: &str| Err((code, why.to_owned()));
    if !topic.assignments.is_empty() {
        return refuse(
            ResponseError::InvalidReplicaAssignment,
            "there is one broker: leave the assignment to it",
        );
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        return refuse(
            ResponseError::InvalidReplicationFactor,
            "there is one broker: the replication factor is 1",
        );
    }
    if !topic.configs.is_empty() {
        return refuse(
            ResponseError::InvalidConfig,
            "topics have no settings here: how long records are kept is the server's setting",
        );
    }
    // -1 means: as many as the broker thinks right (KIP-464).
    let partitions = if topic.num_partitions == -1 { broker.partitions } else { topic.num_partitions };
    match broker.topics.create(&topic.name, partitions, really).await {
        Ok(_) => Ok(partitions),
        Err(error) => Err((error.code(), error.to_string())),
    }
}
