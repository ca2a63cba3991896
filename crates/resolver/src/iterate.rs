//! The walk from the root to the answer, and the memory that makes it rare.
//!
//! The walking itself is hickory's recursor: it asks the root for `com.`, the server of `com.` for
//! `myshop.com.`, and so on, each time one label more (QNAME minimisation, RFC 9156: no server learns
//! more of the name than it needs), and keeps what it learns for as long as its TTL says. Here it gets
//! its roots and its limits, and its many ways to say "no" become the few that DNS has.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hickory_resolver::proto::op::{Query, ResponseCode};
use hickory_resolver::proto::rr::{DNSClass, RData, Record, RecordType};
use hickory_resolver::recursor::{Recursor, RecursorError, RecursorOptions};
use hop::clock;

use crate::upstream::NameServers;

/// The longest a client's query is worked on. Clients such as `dig` give up after 5 s: a SERVFAIL
/// before that is better than silence.
const LIMIT: Duration = Duration::from_millis(4_500);

/// What a question came to.
#[derive(Debug)]
pub struct Outcome {
    /// How it went.
    pub code: ResponseCode,
    /// The records asked for, aliases first.
    pub answers: Vec<Record>,
    /// The SOA of a negative answer.
    pub authorities: Vec<Record>,
    /// Why it failed, for people: an Extended DNS Error (RFC 8914).
    pub reason: Option<Reason>,
}

/// An Extended DNS Error: its code (RFC 8914 §4) and a text.
#[derive(Debug)]
pub struct Reason {
    /// For programs.
    pub code: u16,
    /// For people.
    pub text: String,
}

impl Outcome {
    fn bare(code: ResponseCode) -> Self {
        Outcome { code, answers: Vec::new(), authorities: Vec::new(), reason: None }
    }

    /// A failure with its reason.
    pub fn failed(code: ResponseCode, reason: u16, text: impl Into<String>) -> Self {
        Outcome { reason: Some(Reason { code: reason, text: text.into() }), ..Outcome::bare(code) }
    }

    /// For how many seconds the answer may be kept: the smallest TTL in it.
    pub fn ttl(&self) -> Option<u32> {
        self.answers.iter().chain(&self.authorities).map(|record| record.ttl).min()
    }
}

/// The recursor with its caches.
pub struct Walker {
    roots: Vec<IpAddr>,
    servers: NameServers,
    recursor: RwLock<Arc<Recursor<NameServers>>>,
}

impl Walker {
    /// Begins with empty caches, knowing nothing but where the root's servers are.
    ///
    /// # Errors
    /// There is no root server, or the recursor refuses its options.
    pub fn new(roots: Vec<IpAddr>, servers: NameServers) -> Result<Self, RecursorError> {
        if roots.is_empty() {
            return Err(RecursorError::Message("no root server is given"));
        }
        let recursor = RwLock::new(Arc::new(build(&roots, &servers)?));
        Ok(Walker { roots, servers, recursor })
    }

    /// Forgets everything. Queries in progress keep the old memory until they are done.
    ///
    /// # Errors
    /// As [`Walker::new`]; then nothing is forgotten.
    pub fn flush(&self) -> Result<(), RecursorError> {
        // The recursor cannot be told to forget, but a new one knows nothing.
        let empty = Arc::new(build(&self.roots, &self.servers)?);
        *self.recursor.write().unwrap_or_else(PoisonError::into_inner) = empty;
        Ok(())
    }

    /// Finds the answer, from memory or by asking.
    pub async fn resolve(&self, question: &Query, dnssec_ok: bool) -> Outcome {
        let transfer = matches!(question.query_type, RecordType::AXFR | RecordType::IXFR);
        if transfer || question.query_class != DNSClass::IN {
            return Outcome::bare(ResponseCode::Refused);
        }
        let recursor = Arc::clone(&self.recursor.read().unwrap_or_else(PoisonError::into_inner));
        let walk = recursor.resolve(question.clone(), clock::monotonic(), dnssec_ok);
        match tokio::time::timeout(LIMIT, walk).await {
            Ok(Ok(message)) => {
                let authorities = match message.answers.is_empty() {
                    true => message
                        .authorities
                        .iter()
                        .filter(|r| r.record_type() == RecordType::SOA)
                        .cloned()
                        .collect(),
                    false => Vec::new(),
                };
                let code = message.response_code;
                Outcome { code, answers: message.answers.clone(), authorities, reason: None }
            }
            Ok(Err(error)) => refusal(question, error),
            Err(_) => Outcome::failed(
                ResponseCode::ServFail,
                22,
                format!("no name server answered within {LIMIT:?}"),
            ),
        }
    }
}

fn build(roots: &[IpAddr], servers: &NameServers) -> Result<Recursor<NameServers>, RecursorError> {
    let mut options = RecursorOptions::default();
    // By default loopback is forbidden, as it should be on the Internet; here it is all there is. What
    // is not loopback is refused where the socket would be made, see `upstream`.
    options.deny_server.clear();
    // A laboratory's cache; a million entries is an ISP's.
    options.response_cache_size = 65_536;
    // How deep aliases and name servers' own names may nest before it is called a circle.
    options.recursion_limit = 16;
    options.ns_recursion_limit = 24;
    Recursor::with_options(roots, options, servers.clone())
}

/// Makes one of DNS's few words for "no" out of an error.
fn refusal(question: &Query, error: RecursorError) -> Outcome {
    let code = match (error.is_nx_domain(), error.is_no_records_found()) {
        (true, _) => ResponseCode::NXDomain,
        (_, true) => ResponseCode::NoError,
        _ => {
            tracing::debug!(%question, %error, "resolve");
            // 22 is "No Reachable Authority".
            return Outcome::failed(ResponseCode::ServFail, 22, error.to_string());
        }
    };
    let soa = error.into_soa().map(|soa| negative(soa.into_record_of_rdata()));
    Outcome { authorities: soa.into_iter().collect(), ..Outcome::bare(code) }
}

/// A negative answer may be kept no longer than the SOA's MINIMUM says (RFC 2308 §5), whatever TTL
/// the name server gave the SOA.
fn negative(mut soa: Record) -> Record {
    if let RData::SOA(data) = &soa.data {
        soa.ttl = soa.ttl.min(data.minimum);
    }
    soa
}
