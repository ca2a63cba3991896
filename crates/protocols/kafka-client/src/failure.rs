//! What Kafka's error codes mean for a request.

use hop::upstream::Failure;
use kafka_protocol::error::ResponseError;

/// The upstream's name in failures and spans.
pub(crate) const SYSTEM: &str = "kafka";

/// What a broker's error code means for a request.
pub(crate) fn failure(error: ResponseError) -> Failure {
    use ResponseError as E;
    match error {
        // The broker appended nothing: it does not lead, does not know the topic (yet), or lacks replicas.
        E::NotLeaderOrFollower
        | E::UnknownTopicOrPartition
        | E::LeaderNotAvailable
        | E::NotEnoughReplicas => not_done(error.to_string()),
        error => refused(error.to_string()),
    }
}

pub(crate) fn not_done(text: impl Into<String>) -> Failure {
    Failure::NotDone { system: SYSTEM, text: text.into() }
}

pub(crate) fn refused(text: impl Into<String>) -> Failure {
    Failure::Refused { system: SYSTEM, text: text.into() }
}
