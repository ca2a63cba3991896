//! Who leads which partition of a topic.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hop::http::Exchange;
use hop::upstream::Failure;
use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{MetadataRequest, MetadataResponse};

use crate::broker::Broker;
use crate::failure::refused;
use crate::topic::Topic;

/// Who leads each partition, by index; none where nobody does at present.
pub(crate) type Leaders = Vec<Option<SocketAddr>>;

/// Who leads each partition of a topic, or what Kafka says instead. Creates the topic if that is wanted.
pub(crate) async fn leaders(
    broker: &mut Broker,
    topic: &Topic,
    create: bool,
    limit: Duration,
) -> Result<Result<Leaders, ResponseError>, Failure> {
    let wanted = MetadataRequestTopic::default().with_name(Some(topic.name()));
    let request =
        MetadataRequest::default().with_topics(Some(vec![wanted])).with_allow_auto_topic_creation(create);
    let span = topic.span("Metadata");
    let (metadata, span) = broker.call(span, limit, &request).await?;
    Exchange::current().emit(span);
    let Some(found) = metadata.topics.first() else { return Err(refused("metadata without the topic")) };
    if let Some(error) = found.error_code.err() {
        return Ok(Err(error));
    }
    let mut leaders = vec![None; found.partitions.len()];
    for partition in &found.partitions {
        let leader = usize::try_from(partition.partition_index).ok().and_then(|at| leaders.get_mut(at));
        let Some(leader) = leader else { return Err(refused("partitions with gaps")) };
        *leader = address(topic, &metadata, partition.leader_id.0)?;
    }
    Ok(if leaders.is_empty() { Err(ResponseError::LeaderNotAvailable) } else { Ok(leaders) })
}

/// Where a broker says it can be reached. One on this machine must not send us off it: nothing here resolves names, and
/// nothing of the lab leaves loopback.
fn address(topic: &Topic, metadata: &MetadataResponse, node: i32) -> Result<Option<SocketAddr>, Failure> {
    let Some(broker) = metadata.brokers.iter().find(|broker| broker.node_id.0 == node) else {
        return Ok(None);
    };
    let host = match broker.host.as_str() {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.parse::<IpAddr>(),
    };
    match (host, u16::try_from(broker.port)) {
        (Ok(host), Ok(port)) if host.is_loopback() || !topic.bootstrap.ip().is_loopback() => {
            Ok(Some(SocketAddr::new(host, port)))
        }
        _ => Err(refused(format!(
            "its address is {}:{}, which cannot be used here: set advertised.listeners (or ADVERTISED) to the IP address and port that this service reaches it at",
            broker.host, broker.port
        ))),
    }
}
