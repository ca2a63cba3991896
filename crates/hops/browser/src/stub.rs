//! The stub resolver of the user's machine: queries one caching resolver and remembers what it says (RFC 1034 §5.3.1).

mod exchange;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use dnswire::ExtendedError;
use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::recorder::Recorder;

/// How long one query may take: longer than a resolver takes to give up (the lab's gives up after 4.5
/// seconds), so that its response, which says why, still comes in time.
const TIMEOUT: Duration = Duration::from_millis(5_500);
/// How often a query is sent: a datagram may be lost.
const TRIES: usize = 3;
/// How many aliases in a row are followed.
const LONGEST_CHAIN: usize = 16;

/// The stub and its cache.
pub(crate) struct Stub {
    resolver: SocketAddr,
    timeout: Duration,
    cache: HashMap<String, (IpAddr, Instant)>,
}

impl Stub {
    pub(crate) fn new(resolver: SocketAddr) -> Self {
        Stub { resolver, timeout: TIMEOUT, cache: HashMap::new() }
    }

    /// An address that is still good.
    pub(crate) fn cached(&self, host: &str) -> Option<IpAddr> {
        self.cache.get(host).filter(|(_, until)| *until > hop::clock::monotonic()).map(|(ip, _)| *ip)
    }

    /// Queries the resolver for an IPv4 address and remembers it for its TTL.
    ///
    /// # Errors
    /// What the resolver said, with its extended errors, or that it said nothing.
    pub(crate) async fn lookup(&mut self, host: &str, recorder: &mut Recorder) -> anyhow::Result<IpAddr> {
        let resolver = self.resolver;
        let title = || format!("query {resolver} for the address of {host}");
        let name = Name::from_ascii(format!("{host}.")).with_context(title)?;
        for tried in 1..=TRIES {
            match tokio::time::timeout(self.timeout, self.exchange(&name, recorder)).await {
                Ok(Ok(response)) => {
                    let (ip, ttl) = address_in(&response, &name)
                        .map_err(|problem| anyhow!("{problem}{}", reasons(&response)))
                        .with_context(title)?;
                    let until = hop::clock::monotonic() + Duration::from_secs(u64::from(ttl));
                    self.cache.insert(host.to_owned(), (ip, until));
                    return Ok(ip);
                }
                Ok(Err(error)) => {
                    return Err(error.context(format!("{}: is the resolver up? (`lab status`)", title())));
                }
                Err(_) if tried < TRIES => tracing::warn!(%resolver, host, "no response, querying again"),
                Err(_) => {}
            }
        }
        bail!(
            "{}: no response in {TRIES} tries of {:?}: is the resolver up? (`lab status`)",
            title(),
            self.timeout
        )
    }

    /// One question: over UDP, and over TCP when the response does not fit (RFC 7766 §5). A server that does not
    /// know EDNS is queried again without (RFC 6891 §7).
    async fn exchange(&self, name: &Name, recorder: &mut Recorder) -> anyhow::Result<Message> {
        let mut query = dnswire::query(rand::random(), name.clone(), RecordType::A);
        let mut response = exchange::over_udp(self.resolver, &query, recorder).await?;
        if matches!(response.response_code, ResponseCode::FormErr | ResponseCode::NotImp)
            && response.edns.is_none()
        {
            query.edns = None;
            query.metadata.id = rand::random();
            response = exchange::over_udp(self.resolver, &query, recorder).await?;
        }
        if response.truncation {
            query.metadata.id = rand::random();
            response = exchange::over_tcp(self.resolver, &query, recorder).await?;
        }
        Ok(response)
    }
}

/// The address that a response gives to `name`, and for how many seconds: at the name itself, or at the end of
/// the aliases that begin there. Records of other names do not count (RFC 5452 §6).
fn address_in(response: &Message, name: &Name) -> Result<(IpAddr, u32), String> {
    match response.response_code {
        ResponseCode::NoError => {}
        ResponseCode::NXDomain => return Err(format!("it answers NXDOMAIN: there is no {name}")),
        code => return Err(format!("it answers {}", dnswire::name_of(code))),
    }
    let (mut owner, mut least) = (name, u32::MAX);
    for _ in 0..LONGEST_CHAIN {
        let mut own = response.answers.iter().filter(|record| record.name == *owner);
        let found = own.find_map(|record| match &record.data {
            RData::A(address) => Some((Some(IpAddr::V4(address.0)), owner, record.ttl)),
            RData::CNAME(target) => Some((None, &target.0, record.ttl)),
            _ => None,
        });
        match found {
            Some((Some(ip), _, ttl)) => return Ok((ip, ttl.min(least))),
            Some((None, target, ttl)) => (owner, least) = (target, ttl.min(least)),
            None if owner == name => return Err(format!("it answers that {name} has no IPv4 address")),
            None => return Err(format!("it answers that {name} is {owner}, which has no IPv4 address")),
        }
    }
    Err(format!("it answers with more than {LONGEST_CHAIN} aliases for {name}"))
}

/// What the resolver says about its response (RFC 8914).
fn reasons(response: &Message) -> String {
    ExtendedError::all_of(response).iter().map(|error| format!("; {error}")).collect()
}

#[cfg(test)]
mod tests;
