//! Extended DNS errors: why a response is what it is, in a number and in words (RFC 8914).

use std::fmt;

use hickory_proto::op::{Edns, Message};
use hickory_proto::rr::rdata::opt::EdnsOption;

/// The EDNS option that carries one (RFC 8914 §2).
const OPTION: u16 = 15;

/// One extended error. A response may carry several, whatever its RCODE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedError {
    /// The INFO-CODE (RFC 8914 §4; IANA's registry "Extended DNS Error Codes").
    pub code: u16,
    /// The EXTRA-TEXT: for people, may be empty.
    pub text: String,
}

impl ExtendedError {
    /// None of the others fits (§4.1).
    pub const OTHER: u16 = 0;
    /// Too old an answer, for lack of a fresh one (§4.4).
    pub const STALE: u16 = 3;
    /// The server failed a moment ago and remembers that (§4.14).
    pub const CACHED_ERROR: u16 = 13;
    /// The server does not do that here (§4.19).
    pub const PROHIBITED: u16 = 18;
    /// The server does not answer for that (§4.21).
    pub const NOT_AUTHORITATIVE: u16 = 20;
    /// The operation is not supported (§4.22).
    pub const NOT_SUPPORTED: u16 = 21;
    /// No name server of the zone could be reached (§4.23).
    pub const NO_REACHABLE_AUTHORITY: u16 = 22;
    /// One could be, but communication with it failed (§4.24).
    pub const NETWORK_ERROR: u16 = 23;

    /// Adds it to a response. Without EDNS there is no place for it (RFC 6891 §7), and nothing happens.
    pub fn add_to(&self, reply: &mut Message) {
        let Some(edns) = &mut reply.edns else { return };
        let data = [&self.code.to_be_bytes(), self.text.as_bytes()].concat();
        edns.options_mut().insert(EdnsOption::Unknown(OPTION, data));
    }

    /// Those of a response, in its order.
    pub fn all_of(reply: &Message) -> Vec<ExtendedError> {
        let options = reply.edns.as_ref().map(Edns::options).into_iter().flat_map(|options| options.as_ref());
        let errors = options.filter_map(|(code, option)| match option {
            EdnsOption::Unknown(_, data) if u16::from(*code) == OPTION => {
                let (code, text) = data.split_first_chunk::<2>()?;
                // The text may end in a zero byte (RFC 8914 §2), and is not to be trusted.
                let text = String::from_utf8_lossy(text);
                let text = text.trim_end_matches('\0').chars().filter(|c| !c.is_control()).collect();
                Some(ExtendedError { code: u16::from_be_bytes(*code), text })
            }
            _ => None,
        });
        errors.collect()
    }

    /// The registered name of the code, such as "No Reachable Authority"; empty for one not known here.
    pub fn name(&self) -> &'static str {
        NAMES.get(usize::from(self.code)).copied().unwrap_or_default()
    }
}

impl fmt::Display for ExtendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EDE {}", self.code)?;
        if !self.name().is_empty() {
            write!(f, " ({})", self.name())?;
        }
        if !self.text.is_empty() {
            write!(f, ": {}", self.text)?;
        }
        Ok(())
    }
}

/// RFC 8914 §4.1 to §4.25, by code.
const NAMES: [&str; 25] = [
    "Other",
    "Unsupported DNSKEY Algorithm",
    "Unsupported DS Digest Type",
    "Stale Answer",
    "Forged Answer",
    "DNSSEC Indeterminate",
    "DNSSEC Bogus",
    "Signature Expired",
    "Signature Not Yet Valid",
    "DNSKEY Missing",
    "RRSIGs Missing",
    "No Zone Key Bit Set",
    "NSEC Missing",
    "Cached Error",
    "Not Ready",
    "Blocked",
    "Censored",
    "Filtered",
    "Prohibited",
    "Stale NXDOMAIN Answer",
    "Not Authoritative",
    "Not Supported",
    "No Reachable Authority",
    "Network Error",
    "Invalid Data",
];

#[cfg(test)]
mod tests;
