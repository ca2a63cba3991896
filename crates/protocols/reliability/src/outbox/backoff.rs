//! Looking at an outbox that another process empties.

use std::time::{Duration, Instant};

use hop::clock;
use hop::upstream::Failure;

/// How long a request waits for what stands before its message.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two looks: at first, and in the end. One request of each process and owner looks at a time, and the
/// turns of an owner's processes follow one another: a long pause would be the time of each.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(16));

/// Pauses that double, and end.
pub(super) struct Backoff {
    begun: Instant,
    pause: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Backoff { begun: clock::monotonic(), pause: PAUSES.0 }
    }

    /// Returns when it is time to look again.
    #[allow(clippy::disallowed_methods, reason = "another process changes it: one has to look")]
    pub(super) async fn next(&mut self) -> Result<(), Failure> {
        if clock::since(self.begun) >= PATIENCE {
            let text = format!("what must be published before it was not published within {PATIENCE:?}");
            return Err(Failure::NotDone { system: "kafka", text });
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        Ok(())
    }
}
