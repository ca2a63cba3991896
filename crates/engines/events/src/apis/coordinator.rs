//! Producer ids, and the coordinators that do not exist here.
//!
//! Consumer groups and transactions each have a coordinator, which is a broker that keeps their state. This server
//! keeps none, and Kafka has no code for "never": COORDINATOR_NOT_AVAILABLE (15) means "not yet", so clients try
//! again for ever and say nothing. These are final for every client that was tried (the table is in
//! docs/data-tier.md):
//!
//! * for groups INVALID_REQUEST (42), whose text in all clients speaks of "an incompatible broker. See the broker
//!   logs": there the remedy is. GROUP_AUTHORIZATION_FAILED (30) would send its reader looking for permissions;
//! * for transactions CLUSTER_AUTHORIZATION_FAILED (31): librdkafka repeats all others but this one and
//!   TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53), and with 53 the Java client drops the text beside the code.
//!
//! That text (FindCoordinator version 1 and later) is shown by librdkafka and, for transactions, by Java.

use std::time::{Duration, Instant};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse,
    ProducerId,
};
use parking_lot::Mutex;

use super::response::text;
use crate::broker::Broker;

/// Clients try many times; the log says so at most this often.
const WARN_EVERY: Duration = Duration::from_secs(10);

/// FindCoordinator's `key_type` for consumer groups; 1 is for transactions, 2 for share groups (KIP-932).
const GROUP: i8 = 0;

const NO_GROUPS: &str = "consumer groups are not supported by this broker: assign partitions instead of subscribing, or use Apache Kafka";
const NO_TRANSACTIONS: &str = "transactions are not supported by this broker: use an idempotent producer without a transactional id, or use Apache Kafka";

/// FindCoordinator: there is none, for good.
pub fn find(request: FindCoordinatorRequest, version: i16) -> FindCoordinatorResponse {
    let (error, why) = match request.key_type {
        GROUP => (ResponseError::InvalidRequest, NO_GROUPS),
        1 => (ResponseError::ClusterAuthorizationFailed, NO_TRANSACTIONS),
        _ => (ResponseError::InvalidRequest, "this broker coordinates nothing: use Apache Kafka"),
    };
    warn(why);
    let response = FindCoordinatorResponse::default();
    // Version 4 names many and has no field for a single one (KIP-699).
    if version < 4 {
        return response
            .with_error_code(error.code())
            .with_error_message(Some(text(why)))
            .with_node_id(BrokerId(-1));
    }
    let refused = |key| {
        Coordinator::default()
            .with_key(key)
            .with_node_id(BrokerId(-1))
            .with_port(-1)
            .with_error_code(error.code())
            .with_error_message(Some(text(why)))
    };
    response.with_coordinators(request.coordinator_keys.into_iter().map(refused).collect())
}

fn warn(why: &'static str) {
    static LAST: Mutex<Option<(Instant, &str)>> = Mutex::new(None);
    let mut last = LAST.lock();
    if last.is_none_or(|(at, said)| said != why || hop::clock::since(at) >= WARN_EVERY) {
        *last = Some((hop::clock::monotonic(), why));
        tracing::warn!("a client was refused: {why}");
    }
}

/// InitProducerId: a number that no producer had before.
pub fn init_producer(broker: &Broker, request: &InitProducerIdRequest) -> InitProducerIdResponse {
    let none = InitProducerIdResponse::default().with_producer_id(ProducerId(-1)).with_producer_epoch(-1);
    if request.transactional_id.is_some() {
        return none.with_error_code(ResponseError::ClusterAuthorizationFailed.code());
    }
    match broker.new_producer() {
        Some(id) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        // Only a restart gives more: not one that a client could wait for.
        None => none.with_error_code(ResponseError::PolicyViolation.code()),
    }
}
