//! What Redis says about its settings: `CONFIG GET` (<https://redis.io/commands/config-get>).

use plan::{Hop, Runs};
use redis_client::{Client, Failure, Reply, Text as _, Url, unexpected};

use super::settings::{LIMIT, Settings, value};

pub(super) fn verdict(settings: &Settings) -> Option<String> {
    match (value(settings, "appendonly"), value(settings, "appendfsync")) {
        ("yes", "always") => None,
        ("yes", sync) => Some(format!(
            "appendfsync is {sync}: what it acknowledged in the last moments is lost with the machine"
        )),
        ("", _) => Some("it has no setting `appendonly`: it may lose what it acknowledges".to_owned()),
        (append, _) => Some(format!("appendonly is {append}: what it acknowledges is lost when it dies")),
    }
}

pub(super) async fn settings(hop: &Hop) -> Result<Settings, String> {
    let url = match &hop.runs {
        Runs::External(url) => Url { address: hop.listen, ..url.parse()? },
        _ => Url::from(hop.listen),
    };
    read(&Client::new(url, 1, LIMIT * 2)).await.map_err(|failure| failure.describe())
}

async fn read(redis: &Client) -> Result<Settings, Failure> {
    let mut settings = Settings::new();
    for name in ["appendonly", "appendfsync"] {
        let reply = redis.query("CONFIG", ["GET", name]).await?;
        let Reply::Array(pair) = &reply else { return Err(unexpected(&reply)) };
        let mut texts = pair.iter().map(|text| text.text().unwrap_or_default().to_owned());
        while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
            settings.push((name, value));
        }
    }
    Ok(settings)
}
