//! From a listening socket to a log that serves.

use std::time::Duration;

use anyhow::Context as _;
use hop::{CancellationToken, Hop, Stamped};
use tokio::net::TcpListener;

use crate::broker::Broker;
use crate::config::Settings;
use crate::connection;
use crate::limits::RETENTION_PAUSE;
use crate::retention::Retention;

/// Verifies what is on disk, serves until told to stop, and ends when the last append is on disk.
///
/// Who connects while the logs are being verified waits in the listener's queue.
///
/// # Errors
/// The data folder cannot be used, a log is damaged, or the disk failed in a way that leaves its
/// contents unknown.
pub async fn run(listener: TcpListener, settings: Settings, hop: Hop) -> anyhow::Result<()> {
    let address = listener.local_addr().context("look at the listening socket")?;
    let retention = settings.retention();
    let advertised = settings.advertised.unwrap_or_else(|| address.into());
    let (broker, mut ended) = Broker::open(&settings.data_dir, advertised, settings.partitions, retention)?;
    tracing::info!(
        %address, advertised = ?broker.advertised, data = %settings.data_dir.display(),
        topics = broker.topics.all().len(), "the logs are verified"
    );
    hop.ready();

    let recorder = hop.telemetry.recorder();
    let serve = |stream: Stamped, stop: CancellationToken| {
        connection::serve(stream, broker.clone(), recorder.clone(), stop)
    };
    let limit = usize::try_from(settings.max_connections)?;
    tokio::select! {
        () = retain(&broker, retention), if retention.is_limited() => {}
        () = hop::accept::run(listener, limit, &hop.shutdown, hop.drain, serve) => {}
        // The appender only ends by itself when it must not go on: neither must the process.
        error = &mut ended => return Err(error.context("the appender ended")?),
    }
    broker.appender.stop().await;
    match ended.await {
        Ok(error) => Err(error),
        Err(_ended_well) => Ok(()),
    }
}

/// Has old records deleted from time to time, for ever.
async fn retain(broker: &Broker, retention: Retention) {
    // A tenth of the age allowed: what is too old stays at most a tenth longer.
    let age = retention.age_ms.map_or(RETENTION_PAUSE, |age| Duration::from_millis(age / 10));
    let mut round = tokio::time::interval(age.clamp(Duration::from_millis(50), RETENTION_PAUSE));
    loop {
        round.tick().await;
        let all = broker.topics.all();
        broker
            .appender
            .retain(all.iter().flat_map(|(_, partitions)| partitions.iter().cloned()).collect())
            .await;
    }
}
