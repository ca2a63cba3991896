//! What a Kafka broker says about its settings (DescribeConfigs).

use kafka_client::{Broker, Failure};
use plan::Hop;

use super::settings::{LIMIT, Settings, value};

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
    read(hop).await.map_err(|failure| failure.describe())
}

async fn read(hop: &Hop) -> Result<Settings, Failure> {
    let limit = LIMIT * 2;
    Broker::connect(hop.listen, "lab", limit).await?.settings(&[FLUSH, COPIES], limit).await
}
