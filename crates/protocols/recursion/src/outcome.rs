//! What a question came to, in the few words that DNS has for it.

use dnswire::ExtendedError;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Record;

/// What a question came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// NOERROR also when there is nothing of the type.
    pub code: ResponseCode,
    /// The records of the type, aliases first. Those stay also when there is nothing at their end
    /// (RFC 2308 §2.1, §2.2; RFC 6604 §3).
    pub answers: Vec<Record>,
    /// The SOA of a negative answer.
    pub authorities: Vec<Record>,
    /// Why it failed, for people.
    pub reason: Option<ExtendedError>,
}

impl Outcome {
    /// Only a response code.
    pub fn bare(code: ResponseCode) -> Self {
        Outcome { code, answers: Vec::new(), authorities: Vec::new(), reason: None }
    }

    /// A failure with its reason.
    pub fn failed(code: ResponseCode, reason: u16, text: impl Into<String>) -> Self {
        Outcome { reason: Some(ExtendedError { code: reason, text: text.into() }), ..Outcome::bare(code) }
    }

    /// For how many seconds it may be kept: the smallest TTL in it.
    pub fn ttl(&self) -> Option<u32> {
        self.answers.iter().chain(&self.authorities).map(|record| record.ttl).min()
    }
}

impl From<ExtendedError> for Outcome {
    fn from(reason: ExtendedError) -> Self {
        Outcome { reason: Some(reason), ..Outcome::bare(ResponseCode::ServFail) }
    }
}
