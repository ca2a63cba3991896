//! Producer ids, and the coordinators that do not exist here.
//!
//! Consumer groups and transactions each have a coordinator, which is a broker that keeps their
//! state. This server keeps none: who asks for a coordinator is told that there is none, which every
//! client understands and reports. Who needs them uses Kafka.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
    ProducerId,
};

use super::text;
use crate::broker::Broker;

const NONE: &str = "consumer groups and transactions are not served here: use Kafka";

/// FindCoordinator: there is none.
pub fn find(request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
    let code = ResponseError::CoordinatorNotAvailable.code();
    let response = FindCoordinatorResponse::default();
    // Version 4 asks for many and has no place for a single answer (KIP-699).
    if version < 4 {
        return response
            .with_error_code(code)
            .with_error_message(Some(text(NONE)))
            .with_node_id(BrokerId(-1));
    }
    let answer = |key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(code)
            .with_error_message(Some(text(NONE)))
    };
    response.with_coordinators(request.coordinator_keys.into_iter().map(answer).collect())
}

/// InitProducerId: a number that no producer had before.
pub fn init_producer(broker: &Broker, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let none = InitProducerIdResponse::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    if request.transactional_id.is_some() {
        return none.with_error_code(ResponseError::CoordinatorNotAvailable.code());
    }
    match broker.new_producer() {
        Some(id) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        None => none.with_error_code(ResponseError::CoordinatorNotAvailable.code()),
    }
}
