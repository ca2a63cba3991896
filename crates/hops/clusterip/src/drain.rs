//! When may a connection be closed by somebody who understands none of its bytes?

use std::time::Duration;

use hop::{CancellationToken, Stamps, clock};

/// A connection that was quiet for so long is idle: at first, and when half of the time has passed.
const FIRST_QUIET: Duration = Duration::from_millis(250);
/// At first, for a connection on which no request has come yet: who connects is about to send one.
const UNUSED_QUIET: Duration = Duration::from_secs(1);
const LAST_QUIET: Duration = Duration::from_millis(2);
/// Between two checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Waits for `finish`, and then for a moment when the connection is idle: the last bytes came from the
/// endpoint, so no request is on its way, and there was silence since.
///
/// A client that sends its next request soon after each response never is silent for long, so the silence
/// that counts gets shorter while the drain goes on. A response that pauses for longer than that is taken
/// for complete: only who reads the bytes could know better.
pub(crate) async fn idle(finish: CancellationToken, limit: Duration, client: Stamps, endpoint: Stamps) {
    finish.cancelled().await;
    let begun = clock::monotonic();
    let mut ticks = tokio::time::interval(CHECK_INTERVAL);
    // The first one is at once: what has come by now may not be read yet.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let (request, response) = (client.last_read().at, endpoint.last_read().at);
        let silent = Duration::from_nanos(clock::now().saturating_sub(response.max(client.opened())));
        let first = if client.last_read().offset == 0 { UNUSED_QUIET } else { FIRST_QUIET };
        if request <= response && silent >= enough(first, clock::since(begun), limit) {
            return;
        }
    }
}

/// How long a silence must be when so much of the drain limit has passed.
fn enough(first: Duration, passed: Duration, limit: Duration) -> Duration {
    let left = 1.0 - (2.0 * passed.as_secs_f64() / limit.as_secs_f64().max(f64::MIN_POSITIVE)).min(1.0);
    first.mul_f64(left).max(LAST_QUIET)
}

#[cfg(test)]
mod tests;
