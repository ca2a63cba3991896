//! What a Kafka broker says about its settings: Metadata for its number, then DescribeConfigs
//! (<https://kafka.apache.org/protocol>).

use anyhow::{Context as _, ensure};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;

use super::{LIMIT, Settings, value};
use crate::events::broker::{Broker, METADATA};
use crate::plan::Hop;

/// The oldest version that every broker still speaks.
const DESCRIBE_CONFIGS: i16 = 1;
/// The resource type of a broker.
const BROKER: i8 = 4;
const FLUSH: &str = "log.flush.interval.messages";
const COPIES: &str = "min.insync.replicas";

/// On disk before the acknowledgement, or with more than one broker by then: either will do.
pub(super) fn verdict(settings: &Settings) -> Option<String> {
    let copies = value(settings, COPIES).parse::<u32>().unwrap_or(1);
    let flush = value(settings, FLUSH);
    (flush != "1" && copies < 2).then(|| {
        let flush = if flush.is_empty() { "not set" } else { flush };
        format!("{FLUSH} is {flush} and {COPIES} is {copies}: what it acknowledges is lost with the machine")
    })
}

pub(super) async fn settings(hop: &Hop) -> Result<Settings, String> {
    ask(hop).await.map_err(|error| format!("{error:#}"))
}

async fn ask(hop: &Hop) -> anyhow::Result<Settings> {
    let mut connection = Broker::connect(hop.listen).await?;
    // No topics: all that is wanted are the brokers.
    let request = MetadataRequest::default().with_topics(Some(Vec::new()));
    let brokers = connection.call(METADATA, LIMIT, &request).await?.brokers;
    // The one that listens where we asked, else the first one.
    let here = brokers.iter().find(|broker| broker.port == i32::from(hop.listen.port()));
    let node = here.or(brokers.first()).context("it names no broker")?.node_id;
    let resource = DescribeConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(StrBytes::from_string(node.to_string()))
        .with_configuration_keys(Some([FLUSH, COPIES].map(StrBytes::from_static_str).to_vec()));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let mut settings = Settings::new();
    for result in connection.call(DESCRIBE_CONFIGS, LIMIT, &request).await?.results {
        let message = result.error_message.unwrap_or_default();
        ensure!(result.error_code == 0, "it says error {} {message}", result.error_code);
        let told = |setting: DescribeConfigsResourceResult| {
            setting.value.map(|value| (setting.name.to_string(), value.to_string()))
        };
        settings.extend(result.configs.into_iter().filter_map(told));
    }
    Ok(settings)
}
