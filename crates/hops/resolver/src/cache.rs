//! What is remembered, for how long, and what may be made of it.
//!
//! Three kinds of knowledge are kept apart, and that keeps them honest (RFC 2181 §5.4.1): *answers* come
//! from the server of the zone and may be passed on to clients; *delegations*, with their glue, come from
//! the parent, serve to find a server, and are never an answer; *failures* are short and say that nothing
//! was found out (RFC 9520).

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use hickory_proto::rr::{Name, RData, Record, RecordType};
use lru::LruCache;

use crate::alias::{follows_aliases, renamed, target};
use dnswire::ExtendedError;

/// No TTL counts for more than a day: whoever moves must not be haunted by a TTL of 68 years (RFC 2181 §8;
/// RFC 8767 §4 allows up to a week).
pub(crate) const LONGEST: u32 = 86_400;
/// "No" is kept for three hours at most (RFC 2308 §5).
pub(crate) const LONGEST_NEGATIVE: u32 = 10_800;
/// A failure is kept for the shortest time that RFC 9520 §3.2 allows: in a laboratory somebody has just
/// mended what failed.
pub(crate) const FAILURE: Duration = Duration::from_secs(1);
/// The most entries, and the most bytes they may be worth together. An ISP's cache has a hundred times this.
const MOST_ENTRIES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
const MOST_BYTES: usize = 32 << 20;
/// The most failures.
const MOST_FAILURES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// What is known of a name and type: perhaps by aliases, and then what is at their end.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// CNAME records, and the DNAME records they come from, in the order in which they are followed.
    pub(crate) aliases: Vec<Record>,
    /// What is at the end of them.
    pub(crate) end: End,
}

/// The end of a [`Finding`].
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The records asked for.
    Records(Vec<Record>),
    /// The name exists, but has no record of that type; and the zone's SOA, if it was told.
    NoData(Option<Record>),
    /// There is no such name (of the alias's target, RFC 6604 §3).
    NoName(Option<Record>),
    /// Everything else has to be asked about this name.
    Alias(Name),
}

/// A zone's servers, as its parent names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delegation {
    pub(crate) zone: Name,
    pub(crate) servers: Vec<NameServer>,
}

/// One server of a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NameServer {
    pub(crate) name: Name,
    /// Its glue (RFC 1034 §4.2.1); without, its name has to be resolved first.
    pub(crate) glue: Vec<IpAddr>,
}

/// The memory of one resolver. The least recently used entry makes room for the next.
pub(crate) struct Cache {
    entries: LruCache<(Name, Of), Entry>,
    bytes: usize,
    failures: LruCache<(Name, RecordType), (ExtendedError, Instant)>,
}

/// Which kind of knowledge about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Of {
    /// Its records of a type, or that there are none.
    Type(RecordType),
    /// That it does not exist.
    Absence,
    /// The servers of the zone of that name.
    Delegation,
}

struct Entry {
    what: What,
    since: Instant,
    ttl: Duration,
    bytes: usize,
}

enum What {
    Records(Vec<Record>),
    Absent(Option<Record>),
    Delegation(Delegation),
}

impl Cache {
    pub(crate) fn new() -> Self {
        Cache { entries: LruCache::new(MOST_ENTRIES), bytes: 0, failures: LruCache::new(MOST_FAILURES) }
    }

    /// What is known of this question. TTLs have been counted down (RFC 1035 §3.2.1).
    pub(crate) fn find(&mut self, name: &Name, kind: RecordType, now: Instant) -> Option<Finding> {
        let plain = |end| Some(Finding { aliases: Vec::new(), end });
        if let Some(found) = self.get(name, Of::Type(kind), now) {
            return plain(match found {
                (What::Records(records), age) => End::Records(aged(records, age)),
                (What::Absent(soa), age) => End::NoData(soa.as_ref().map(|soa| older(soa, age))),
                _ => return None,
            });
        }
        if follows_aliases(kind)
            && let Some((What::Records(records), age)) = self.get(name, Of::Type(RecordType::CNAME), now)
        {
            let aliases = aged(records, age);
            let target = aliases.first().and_then(target)?;
            return Some(Finding { aliases, end: End::Alias(target) });
        }
        if let Some((What::Absent(soa), age)) = self.get(name, Of::Absence, now) {
            return plain(End::NoName(soa.as_ref().map(|soa| older(soa, age))));
        }
        // A DNAME renames everything below it (RFC 6672 §3.4.1).
        let mut above = name.base_name();
        while !above.is_root() {
            if let Some((What::Records(records), age)) = self.get(&above, Of::Type(RecordType::DNAME), now) {
                let dname = aged(records, age).into_iter().next()?;
                return renamed(name, kind, dname);
            }
            above = above.base_name();
        }
        None
    }

    /// Remembers a finding about `name`, link by link.
    pub(crate) fn keep(&mut self, name: &Name, kind: RecordType, finding: &Finding, now: Instant) {
        let mut at = name.clone();
        let mut by_dname = false;
        for alias in &finding.aliases {
            // What a DNAME makes is made again from the DNAME.
            if !std::mem::replace(&mut by_dname, alias.record_type() == RecordType::DNAME) {
                let what = What::Records(vec![alias.clone()]);
                self.put(alias.name.clone(), Of::Type(alias.record_type()), what, alias.ttl, now);
            }
            at = target(alias).unwrap_or(at);
        }
        if by_dname {
            return;
        }
        match &finding.end {
            End::Records(records) => {
                let ttl = records.first().map_or(0, |record| record.ttl);
                self.put(at, Of::Type(kind), What::Records(records.clone()), ttl, now);
            }
            // Without a SOA nobody says for how long (RFC 2308 §5).
            End::NoData(Some(soa)) => {
                self.put(at, Of::Type(kind), What::Absent(Some(soa.clone())), soa.ttl, now);
            }
            End::NoName(Some(soa)) => {
                self.put(at, Of::Absence, What::Absent(Some(soa.clone())), soa.ttl, now);
            }
            End::NoData(None) | End::NoName(None) | End::Alias(_) => {}
        }
    }

    /// The servers of the closest zone around `name` that is known. For DS, which lives above the cut
    /// (RFC 4035 §3.1.4.1), `name`'s own zone does not count.
    pub(crate) fn delegation(&mut self, name: &Name, kind: RecordType, now: Instant) -> Option<Delegation> {
        let mut zone = if kind == RecordType::DS { name.base_name() } else { name.clone() };
        while !zone.is_root() {
            if let Some((What::Delegation(delegation), _)) = self.get(&zone, Of::Delegation, now) {
                return Some(delegation.clone());
            }
            zone = zone.base_name();
        }
        None
    }

    /// Remembers who serves a zone, for `ttl` seconds.
    pub(crate) fn keep_delegation(&mut self, delegation: Delegation, ttl: u32, now: Instant) {
        self.put(delegation.zone.clone(), Of::Delegation, What::Delegation(delegation), ttl, now);
    }

    /// Why this question came to nothing a moment ago.
    pub(crate) fn failure(&mut self, name: &Name, kind: RecordType, now: Instant) -> Option<ExtendedError> {
        let (reason, since) = self.failures.get(&(name.clone(), kind))?;
        (now.saturating_duration_since(*since) < FAILURE).then(|| reason.clone())
    }

    /// Remembers that a question came to nothing.
    pub(crate) fn keep_failure(&mut self, name: Name, kind: RecordType, reason: ExtendedError, now: Instant) {
        self.failures.put((name, kind), (reason, now));
    }

    /// Forgets all failures: there is news.
    pub(crate) fn forget_failures(&mut self) {
        self.failures.clear();
    }

    fn get(&mut self, name: &Name, of: Of, now: Instant) -> Option<(&What, u32)> {
        let key = (name.clone(), of);
        let entry = self.entries.peek(&key)?;
        let age = now.saturating_duration_since(entry.since);
        if age >= entry.ttl {
            self.remove(&key);
            return None;
        }
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        self.entries.get(&key).map(|entry| (&entry.what, age))
    }

    fn put(&mut self, name: Name, of: Of, what: What, ttl: u32, now: Instant) {
        // A TTL of 0 is good for the question that brought it and no longer (RFC 1035 §3.2.1).
        if ttl > 0 {
            if matches!(what, What::Records(_)) {
                self.remove(&(name.clone(), Of::Absence));
            }
            self.insert(name, of, what, Duration::from_secs(u64::from(ttl)), now);
        }
    }

    fn insert(&mut self, name: Name, of: Of, what: What, ttl: Duration, now: Instant) {
        let bytes = name.len() + what.bytes();
        let key = (name, of);
        self.remove(&key);
        if let Some((_, evicted)) = self.entries.push(key, Entry { what, since: now, ttl, bytes }) {
            self.bytes -= evicted.bytes;
        }
        self.bytes += bytes;
        while self.bytes > MOST_BYTES {
            let Some((_, evicted)) = self.entries.pop_lru() else { break };
            self.bytes -= evicted.bytes;
        }
    }

    fn remove(&mut self, key: &(Name, Of)) {
        if let Some(removed) = self.entries.pop(key) {
            self.bytes -= removed.bytes;
        }
    }
}

impl What {
    /// Roughly what it costs in memory.
    fn bytes(&self) -> usize {
        const FIXED: usize = 256;
        let record = |record: &Record| FIXED + record.name.len() + data_bytes(&record.data);
        FIXED
            + match self {
                What::Records(records) => records.iter().map(record).sum(),
                What::Absent(soa) => soa.iter().map(record).sum(),
                What::Delegation(delegation) => delegation.servers.len() * FIXED,
            }
    }
}

fn data_bytes(data: &RData) -> usize {
    use hickory_proto::serialize::binary::BinEncodable as _;
    data.to_bytes().map_or(0, |bytes| bytes.len())
}

fn older(record: &Record, age: u32) -> Record {
    let mut record = record.clone();
    record.ttl = record.ttl.saturating_sub(age);
    record
}

fn aged(records: &[Record], age: u32) -> Vec<Record> {
    records.iter().map(|record| older(record, age)).collect()
}

#[cfg(test)]
mod tests;
