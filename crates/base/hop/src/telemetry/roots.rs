//! Requests that begin a trace are recorded up to a rate: people send a few a second, load generators thousands, and
//! what is recorded of each costs its collector more than the request costs the programs.

use parking_lot::Mutex;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Is it recorded?
    pub(crate) sampled: bool,
    /// So many before it were not, since the last one that was.
    pub(crate) passed_over: u64,
}

/// A token bucket, refilled evenly; it holds what comes in one second.
pub(super) struct Roots {
    /// How many a second are recorded; `None`: all.
    per_second: Option<f64>,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    tokens: f64,
    /// When it was filled last: nanoseconds since the Unix epoch.
    filled: u64,
    passed_over: u64,
}

impl Roots {
    pub(super) fn new(per_second: Option<f64>) -> Self {
        let tokens = per_second.map_or(0.0, capacity);
        Roots { per_second, bucket: Mutex::new(Bucket { tokens, filled: 0, passed_over: 0 }) }
    }

    pub(super) fn decide(&self, now: u64) -> Decision {
        let Some(per_second) = self.per_second else { return Decision { sampled: true, passed_over: 0 } };
        let mut bucket = self.bucket.lock();
        let since = now.saturating_sub(bucket.filled) as f64 / 1e9;
        bucket.tokens = (bucket.tokens + since * per_second).min(capacity(per_second));
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            bucket.passed_over += 1;
            return Decision::default();
        }
        bucket.tokens -= 1.0;
        Decision { sampled: true, passed_over: std::mem::take(&mut bucket.passed_over) }
    }
}

/// Less than one a second is still one at a time.
fn capacity(per_second: f64) -> f64 {
    if per_second > 0.0 { per_second.max(1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests;
