//! What a reader reads, and how long it tries.

use std::time::Duration;

use hop::upstream::Failure;
use kafka_protocol::error::ResponseError;

use crate::broker::Broker;
use crate::failure::failure;
use crate::metadata::{Leaders, leaders};
use crate::topic::Topic;

/// How long a Kafka that does not answer is tried again, unless the topic is followed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts.
pub(crate) const RETRY_BACKOFF: Duration = Duration::from_millis(200);
/// Any response but that to a fetch that waits comes within this time.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// What a reader reads.
#[derive(Clone, Debug)]
pub struct Source {
    /// Which log, and how to find it.
    pub topic: Topic,
    /// Wait for more when all is read, and for Kafka when it is gone.
    pub follow: bool,
}

impl Source {
    pub(crate) async fn connect(&self, to: std::net::SocketAddr) -> Result<Broker, Failure> {
        Broker::connect(to, "reader", LIMIT).await
    }

    /// Who leads each partition; `None` if there is no such topic yet. Reading creates nothing.
    pub(crate) async fn leaders(&self) -> Result<Option<Leaders>, Failure> {
        let mut broker = self.connect(self.topic.bootstrap).await?;
        match leaders(&mut broker, &self.topic, false, LIMIT).await? {
            Ok(leaders) => Ok(Some(leaders)),
            Err(ResponseError::UnknownTopicOrPartition) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }
}
