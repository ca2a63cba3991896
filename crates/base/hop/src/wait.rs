//! Waiting for a condition, never for a time.
#![allow(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]

use std::fmt;
use std::time::Duration;

use crate::clock;

/// The condition did not come true within its limit.
#[derive(Debug)]
pub struct WaitError {
    what: String,
    limit: Duration,
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waited {:?} in vain for {}", self.limit, self.what)
    }
}

impl std::error::Error for WaitError {}

/// The end of what something else may take: for `select!`, or for a body that is polled. For a future of its own there
/// is `tokio::time::timeout`.
pub fn deadline(limit: Duration) -> tokio::time::Sleep {
    tokio::time::sleep(limit)
}

/// Looks at a condition until it holds; `look` returns `Some` when it does.
///
/// Looks come 1 ms apart at first and 20 ms apart in the end.
///
/// # Errors
/// [`WaitError`] names what was awaited when `limit` has passed.
pub async fn until<T>(
    what: impl Into<String>,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T, WaitError> {
    let begun = clock::monotonic();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if clock::since(begun) >= limit {
            return Err(WaitError { what: what.into(), limit });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}
