//! A broker's settings: Metadata for its number, then DescribeConfigs (<https://kafka.apache.org/protocol>).

use std::time::Duration;

use hop::upstream::Failure;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest};
use kafka_protocol::protocol::StrBytes;

use crate::broker::Broker;
use crate::failure::refused;

/// The resource type of a broker.
const BROKER: i8 = 4;

impl Broker {
    /// The broker's values of these settings; what it does not have is left out.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn settings(
        &mut self,
        names: &[&'static str],
        limit: Duration,
    ) -> Result<Vec<(String, String)>, Failure> {
        // No topics: all that is wanted are the brokers.
        let request = MetadataRequest::default().with_topics(Some(Vec::new()));
        let brokers = self.request(limit, &request).await?.brokers;
        // The one that listens where this connection leads, else the first one.
        let here = brokers.iter().find(|broker| broker.port == i32::from(self.address().port()));
        let node = here.or(brokers.first()).ok_or_else(|| refused("no broker's name"))?.node_id;
        let resource = DescribeConfigsResource::default()
            .with_resource_type(BROKER)
            .with_resource_name(StrBytes::from_string(node.to_string()))
            .with_configuration_keys(Some(
                names.iter().map(|name| StrBytes::from_static_str(name)).collect(),
            ));
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let mut settings = Vec::new();
        for result in self.request(limit, &request).await?.results {
            if result.error_code != 0 {
                let message = result.error_message.unwrap_or_default();
                return Err(refused(format!("error {} {message}", result.error_code)));
            }
            let known = |setting: DescribeConfigsResourceResult| {
                setting.value.map(|value| (setting.name.to_string(), value.to_string()))
            };
            settings.extend(result.configs.into_iter().filter_map(known));
        }
        Ok(settings)
    }
}
