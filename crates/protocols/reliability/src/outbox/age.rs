//! Whose a message is, by its age.

use std::time::Duration;

use hop::clock;
use redis_client::StreamId;

/// How long a message belongs to the process that wrote it, in milliseconds; a request publishes it within some ten.
pub const ORPHANED_AFTER: u64 = 2_000;
/// How far ahead of this clock an id may lie and still be its writer's, in milliseconds. Redis never gives a smaller id
/// than the last: after its clock was set back, or after an entry that was written by hand, an owner's ids lie ahead for
/// good.
pub(crate) const AHEAD: u64 = 5_000;

/// How long a message is still its writer's.
pub(crate) fn own_time(id: StreamId) -> Duration {
    let now = clock::now() / 1_000_000;
    if id.0 > now.saturating_add(AHEAD) {
        return Duration::ZERO;
    }
    Duration::from_millis(id.0.saturating_add(ORPHANED_AFTER).saturating_sub(now))
}

/// Has nobody published it in the time in which it was its writer's?
pub(crate) fn is_orphaned(id: StreamId) -> bool {
    own_time(id).is_zero()
}
