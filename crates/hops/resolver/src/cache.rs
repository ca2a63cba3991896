//! What is remembered, for how long, and what may be made of it.
//!
//! Three kinds of knowledge are kept apart, and that keeps them honest (RFC 2181 §5.4.1): *findings* come
//! from the server of the zone and may be passed on to clients; *delegations*, with their glue, come from
//! the parent, serve to find a server, and are never an answer; *failures* are short and say that nothing
//! was found out (RFC 9520). Nothing is kept longer than its TTL says (RFC 1035 §3.2.1).

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use dnswire::ExtendedError;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hop::clock;
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};
use recursion::alias::{follows_aliases, renamed, target};
use recursion::{Delegation, End, FAILURE, Finding};

/// The most entries, and the most bytes of all of them. An ISP's cache has a hundred times this.
const MAX_ENTRIES: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
const MAX_BYTES: usize = 32 << 20;
const MAX_FAILURES: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();

/// The cache of one resolver, as its recursions see it.
pub(crate) struct SharedCache(Mutex<Cache>);

impl SharedCache {
    pub(crate) fn new() -> Self {
        SharedCache(Mutex::new(Cache::new()))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Cache> {
        self.0.lock()
    }
}

impl recursion::Cache for SharedCache {
    fn find(&self, name: &Name, kind: RecordType) -> Option<Finding> {
        self.lock().find(name, kind, clock::monotonic())
    }

    fn keep(&self, name: &Name, kind: RecordType, finding: &Finding) {
        self.lock().keep(name, kind, finding, clock::monotonic());
    }

    fn delegation(&self, name: &Name, kind: RecordType) -> Option<Delegation> {
        self.lock().delegation(name, kind, clock::monotonic())
    }

    fn keep_delegation(&self, delegation: Delegation, ttl: u32) {
        self.lock().keep_delegation(delegation, ttl, clock::monotonic());
    }

    fn server_recovered(&self) {
        self.lock().failures.clear();
    }
}

/// Its entries. The least recently used is evicted first.
pub(crate) struct Cache {
    entries: LruCache<(Name, EntryType), Entry>,
    bytes: usize,
    failures: LruCache<(Name, RecordType), (ExtendedError, Instant)>,
}

/// The kinds of knowledge about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum EntryType {
    /// Its records of a type, or that there are none.
    Type(RecordType),
    /// That it does not exist.
    NxDomain,
    /// The servers of the zone of that name.
    Delegation,
}

struct Entry {
    content: Content,
    since: Instant,
    ttl: Duration,
    bytes: usize,
}

enum Content {
    Records(Vec<Record>),
    /// With the zone's SOA, which says for how long (RFC 2308 §5).
    Negative(Record),
    Delegation(Delegation),
}

impl Cache {
    fn new() -> Self {
        Cache { entries: LruCache::new(MAX_ENTRIES), bytes: 0, failures: LruCache::new(MAX_FAILURES) }
    }

    fn find(&mut self, name: &Name, kind: RecordType, now: Instant) -> Option<Finding> {
        let plain = |end| Some(Finding { aliases: Vec::new(), end });
        if let Some(found) = self.get(name, EntryType::Type(kind), now) {
            return plain(match found {
                (Content::Records(records), age) => End::Records(aged(records, age)),
                (Content::Negative(soa), age) => End::NoData(Some(older(soa, age))),
                _ => return None,
            });
        }
        if follows_aliases(kind)
            && let Some((Content::Records(records), age)) =
                self.get(name, EntryType::Type(RecordType::CNAME), now)
        {
            let aliases = aged(records, age);
            let target = aliases.first().and_then(target)?;
            return Some(Finding { aliases, end: End::Alias(target) });
        }
        if let Some((Content::Negative(soa), age)) = self.get(name, EntryType::NxDomain, now) {
            return plain(End::NxDomain(Some(older(soa, age))));
        }
        // A DNAME renames everything below it (RFC 6672 §3.4.1).
        let mut above = name.base_name();
        while !above.is_root() {
            if let Some((Content::Records(records), age)) =
                self.get(&above, EntryType::Type(RecordType::DNAME), now)
            {
                let dname = aged(records, age).into_iter().next()?;
                return renamed(name, kind, dname);
            }
            above = above.base_name();
        }
        None
    }

    /// Remembers a finding about `name`, alias by alias.
    fn keep(&mut self, name: &Name, kind: RecordType, finding: &Finding, now: Instant) {
        let mut at = name.clone();
        let mut by_dname = false;
        for alias in &finding.aliases {
            // The CNAME that a DNAME stands for is derived from it again (RFC 6672 §3.1).
            if !std::mem::replace(&mut by_dname, alias.record_type() == RecordType::DNAME) {
                let content = Content::Records(vec![alias.clone()]);
                self.put(alias.name.clone(), EntryType::Type(alias.record_type()), content, alias.ttl, now);
            }
            at = target(alias).unwrap_or(at);
        }
        if by_dname {
            return;
        }
        match &finding.end {
            End::Records(records) => {
                let ttl = records.first().map_or(0, |record| record.ttl);
                self.put(at, EntryType::Type(kind), Content::Records(records.clone()), ttl, now);
            }
            // Without a SOA nobody says for how long (RFC 2308 §5).
            End::NoData(Some(soa)) => {
                self.put(at, EntryType::Type(kind), Content::Negative(soa.clone()), soa.ttl, now);
            }
            End::NxDomain(Some(soa)) => {
                self.put(at, EntryType::NxDomain, Content::Negative(soa.clone()), soa.ttl, now);
            }
            End::NoData(None) | End::NxDomain(None) | End::Alias(_) => {}
        }
    }

    fn delegation(&mut self, name: &Name, kind: RecordType, now: Instant) -> Option<Delegation> {
        let mut zone = if kind == RecordType::DS { name.base_name() } else { name.clone() };
        while !zone.is_root() {
            if let Some((Content::Delegation(delegation), _)) = self.get(&zone, EntryType::Delegation, now) {
                return Some(delegation.clone());
            }
            zone = zone.base_name();
        }
        None
    }

    fn keep_delegation(&mut self, delegation: Delegation, ttl: u32, now: Instant) {
        self.put(delegation.zone.clone(), EntryType::Delegation, Content::Delegation(delegation), ttl, now);
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

    fn get(&mut self, name: &Name, entry_type: EntryType, now: Instant) -> Option<(&Content, u32)> {
        let key = (name.clone(), entry_type);
        let entry = self.entries.peek(&key)?;
        let age = now.saturating_duration_since(entry.since);
        if age >= entry.ttl {
            self.remove(&key);
            return None;
        }
        let age = u32::try_from(age.as_secs()).unwrap_or(u32::MAX);
        self.entries.get(&key).map(|entry| (&entry.content, age))
    }

    fn put(&mut self, name: Name, entry_type: EntryType, content: Content, ttl: u32, now: Instant) {
        // A TTL of 0 is good for the question that brought it and no longer (RFC 1035 §3.2.1).
        if ttl > 0 {
            if matches!(content, Content::Records(_)) {
                self.remove(&(name.clone(), EntryType::NxDomain));
            }
            self.insert(name, entry_type, content, Duration::from_secs(u64::from(ttl)), now);
        }
    }

    fn insert(&mut self, name: Name, entry_type: EntryType, content: Content, ttl: Duration, now: Instant) {
        let bytes = name.len() + content.bytes();
        let key = (name, entry_type);
        self.remove(&key);
        if let Some((_, evicted)) = self.entries.push(key, Entry { content, since: now, ttl, bytes }) {
            self.bytes -= evicted.bytes;
        }
        self.bytes += bytes;
        while self.bytes > MAX_BYTES {
            let Some((_, evicted)) = self.entries.pop_lru() else { break };
            self.bytes -= evicted.bytes;
        }
    }

    fn remove(&mut self, key: &(Name, EntryType)) {
        if let Some(removed) = self.entries.pop(key) {
            self.bytes -= removed.bytes;
        }
    }
}

impl Content {
    /// Roughly what it costs in memory.
    fn bytes(&self) -> usize {
        const FIXED: usize = 256;
        let record = |record: &Record| FIXED + record.name.len() + data_bytes(&record.data);
        FIXED
            + match self {
                Content::Records(records) => records.iter().map(record).sum(),
                Content::Negative(soa) => record(soa),
                Content::Delegation(delegation) => delegation.servers.len() * FIXED,
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
