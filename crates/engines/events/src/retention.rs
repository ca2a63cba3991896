//! What is kept: the settings `RETENTION_*` and `SEGMENT_BYTES`, for all topics alike.

/// How long a log is kept, and in how large pieces. The server's setting for all its topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// A segment is sealed when it has this many bytes.
    pub segment_bytes: u64,
    /// Old segments are deleted as long as this many bytes of the partition stay; `None`: never.
    pub bytes: Option<u64>,
    /// Segments are deleted whose newest record is older than this many milliseconds; `None`: never.
    pub age_ms: Option<u64>,
}

impl Default for Retention {
    /// Everything for ever, in segments of 64 MiB.
    fn default() -> Self {
        Retention { segment_bytes: 64 << 20, bytes: None, age_ms: None }
    }
}

impl Retention {
    /// Whether anything is ever deleted.
    pub fn is_limited(&self) -> bool {
        self.bytes.is_some() || self.age_ms.is_some()
    }
}
