//! What came instead of the answer.

use std::fmt;

/// What was sent, and what came instead of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Such as `PING at 127.96.50.110:6379`.
    pub sent: String,
    /// Such as `"HELLO\r\n", which is no RESP`.
    pub answered: String,
    /// What a program of this role would have answered; empty when that is plain.
    pub wanted: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "probe {}: {}", self.sent, self.answered)
    }
}
