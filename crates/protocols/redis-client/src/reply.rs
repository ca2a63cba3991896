//! What Redis sends back: RESP2 frames.

use hop::upstream::Failure;
pub use redis_protocol::resp2::types::BytesFrame as Reply;
use redis_protocol::resp2::types::Resp2Frame as _;

/// The upstream's name in failures and spans.
pub(crate) const SYSTEM: &str = "redis";

/// A reply as text.
pub trait Text {
    /// The text of a string; none of anything else, or if it is no UTF-8.
    fn text(&self) -> Option<&str>;
}

impl Text for Reply {
    fn text(&self) -> Option<&str> {
        self.as_str()
    }
}

/// The failure of a reply that makes no sense where it was found.
pub fn unexpected(reply: &impl std::fmt::Debug) -> Failure {
    Failure::Refused { system: SYSTEM, text: format!("something that makes no sense here: {reply:?}") }
}

/// The first error in a reply. EXEC succeeds although a command in it failed (Redis has no rollback), so its array is
/// searched too.
pub(crate) fn error_in(reply: &Reply) -> Option<String> {
    match reply {
        Reply::Error(text) => Some(text.to_string()),
        Reply::Array(replies) => replies.iter().find_map(error_in),
        _ => None,
    }
}
