//! Zones: from the records of a file to a tree of names that questions are looked up in.
//!
//! A *zone* is the part of the name tree that one organisation answers for. It begins at its
//! *origin* and ends at its *cuts*, the names it has delegated to somebody else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use zonefile::Error;

/// Everything known about one name: its records by type.
///
/// A node may be empty: in a zone with only `a.b.example.` the name `b.example.` exists too, without
/// records (an *empty non-terminal*, RFC 8499 §7). A query for it gets NODATA, not NXDOMAIN.
pub type Node = BTreeMap<RecordType, Vec<Record>>;

/// One zone, loaded and checked.
#[derive(Debug)]
pub struct Zone {
    origin: LowerName,
    nodes: BTreeMap<LowerName, Node>,
    /// The SOA as negative answers carry it: its TTL is min(TTL, MINIMUM), as RFC 2308 §3 says.
    denial: Record,
    warnings: Vec<Error>,
}

impl Zone {
    /// Reads and checks the zone file at `path` for the zone `origin`.
    ///
    /// # Errors
    /// Whatever is wrong with the file, with its path and, where it can be told, the line.
    pub fn load(origin: &Name, path: &Path) -> Result<Self, Error> {
        let origin = LowerName::new(origin);
        let mut nodes: BTreeMap<LowerName, Node> = BTreeMap::new();
        let mut warnings = Vec::new();
        for entry in zonefile::read(path, &origin)?.entries {
            let at = |problem| Error { file: entry.file.to_path_buf(), line: Some(entry.line), problem };
            let record = entry.record;
            let name = LowerName::new(&record.name);
            if !origin.zone_of(&name) {
                return Err(at(format!("{} is not in the zone {origin}", record.name)));
            }
            if is_hashed_denial(&record) {
                continue;
            }
            // Every name between this one and the origin exists as well, if only as an empty node.
            for ancestor in ancestors(&name, &origin) {
                nodes.entry(ancestor).or_default();
            }
            let set = nodes.entry(name).or_default().entry(record.record_type()).or_default();
            warnings.extend(add(set, record).map(at));
        }
        let whole = |problem| Error { file: path.to_owned(), line: None, problem };
        let denial = check(&origin, &nodes).map_err(whole)?;
        warnings.extend(doubts(&origin, &nodes).map(whole));
        Ok(Zone { origin, nodes, denial, warnings })
    }

    /// What can be served but is hardly meant.
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }

    /// The zone's topmost name.
    pub fn origin(&self) -> &LowerName {
        &self.origin
    }

    /// The SOA record for the authority section of a negative answer.
    pub fn denial(&self) -> &Record {
        &self.denial
    }

    /// What is known about exactly this name; `None` when the name does not exist.
    pub fn node(&self, name: &LowerName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// The records of one name and type; empty when there are none.
    pub fn records(&self, name: &LowerName, record_type: RecordType) -> &[Record] {
        self.nodes.get(name).and_then(|node| node.get(&record_type)).map_or(&[], Vec::as_slice)
    }

    /// All names that exist, and what is known about each.
    pub fn nodes(&self) -> impl Iterator<Item = (&LowerName, &Node)> {
        self.nodes.iter()
    }

    /// How many records the zone holds.
    pub fn record_count(&self) -> usize {
        self.nodes.values().flat_map(BTreeMap::values).map(Vec::len).sum()
    }
}

/// The names from `name` up to and including `origin`, the longest first.
pub(crate) fn ancestors<'a>(name: &LowerName, origin: &'a LowerName) -> impl Iterator<Item = LowerName> + 'a {
    let start = origin.zone_of(name).then(|| name.clone());
    std::iter::successors(start, move |name| (name != origin).then(|| name.base_name()))
}

/// NSEC3 records and their signatures stand at names that are hashes, which are no names of the zone
/// (RFC 5155 §7.2.8): they only go into denials for clients that want DNSSEC, which this server does not
/// give.
fn is_hashed_denial(record: &Record) -> bool {
    const NSEC3: [u8; 2] = [0, 50];
    match (record.record_type(), &record.data) {
        (RecordType::NSEC3, _) => true,
        (RecordType::RRSIG, RData::Unknown { rdata, .. }) => rdata.anything.starts_with(&NSEC3),
        _ => false,
    }
}

/// Adds a record to those of the same name and type; returns what is odd about it.
fn add(set: &mut Vec<Record>, mut record: Record) -> Option<String> {
    let title = format!("{} {}", record.name, record.record_type());
    if set.iter().any(|other| other.data == record.data) {
        return Some(format!("{title} stands here for the second time; once counts (RFC 2181 §5)"));
    }
    let odd = set.first().filter(|first| first.ttl != record.ttl).map(|first| {
        let lowest = first.ttl.min(record.ttl);
        format!("{title} has several TTLs; the lowest, {lowest}, counts for all (RFC 2181 §5.2)")
    });
    record.ttl = set.iter().map(|other| other.ttl).fold(record.ttl, u32::min);
    for other in set.iter_mut() {
        other.ttl = record.ttl;
    }
    set.push(record);
    odd
}

/// Checks the rules that concern several records at once; returns the SOA for negative answers.
fn check(origin: &LowerName, nodes: &BTreeMap<LowerName, Node>) -> Result<Record, String> {
    let apex = nodes.get(origin).ok_or_else(|| format!("it holds no record of {origin}"))?;
    let denial = match apex.get(&RecordType::SOA).map(Vec::as_slice) {
        Some([soa]) => denial(soa),
        _ => return Err(format!("{origin} must have exactly one SOA record (RFC 1035 §5.2)")),
    };
    for (name, node) in nodes {
        let count = |kind| node.get(&kind).map_or(0, Vec::len);
        // Its signature and its NSEC record may stand beside an alias (RFC 4034 §2.1, RFC 2181 §10.1).
        let beside =
            |kind: &&RecordType| !matches!(kind, RecordType::CNAME | RecordType::RRSIG | RecordType::NSEC);
        if count(RecordType::CNAME) > 1 {
            return Err(format!("{name} has more than one CNAME (RFC 2181 §10.1)"));
        }
        if count(RecordType::CNAME) == 1 && node.keys().any(|kind| beside(&kind)) {
            return Err(format!("{name} is a CNAME and has other records too (RFC 1034 §3.6.2)"));
        }
        if count(RecordType::DNAME) > 1 {
            return Err(format!("{name} has more than one DNAME (RFC 6672 §2.4)"));
        }
        if name != origin && node.contains_key(&RecordType::SOA) {
            return Err(format!("{name} has an SOA but is not the zone's origin {origin}"));
        }
        let above = ancestors(name, origin).skip(1);
        let moved = above.into_iter().find(|above| has(nodes, above, RecordType::DNAME));
        if let Some(moved) = moved.filter(|_| !node.is_empty()) {
            return Err(format!("{name} is below {moved}, whose DNAME moves all such names (RFC 6672 §2.4)"));
        }
    }
    Ok(denial)
}

fn has(nodes: &BTreeMap<LowerName, Node>, name: &LowerName, kind: RecordType) -> bool {
    nodes.get(name).is_some_and(|node| node.contains_key(&kind))
}

/// What a person would want to know who wrote this zone.
fn doubts<'z>(
    origin: &'z LowerName,
    nodes: &'z BTreeMap<LowerName, Node>,
) -> impl Iterator<Item = String> + 'z {
    let address = |name: &LowerName| has(nodes, name, RecordType::A) || has(nodes, name, RecordType::AAAA);
    let servers = nodes.iter().flat_map(|(name, node)| {
        node.get(&RecordType::NS).into_iter().flatten().map(move |server| (name, server))
    });
    servers
        .filter_map(move |(name, server)| {
            let RData::NS(target) = &server.data else { return None };
            let target = LowerName::new(&target.0);
            (name.zone_of(&target) && !address(&target)).then(|| {
                format!(
                    "{name} is served by {target}, but there is no address (glue) for it (RFC 1034 §4.2.1)"
                )
            })
        })
        .chain(
            (!has(nodes, origin, RecordType::NS))
                .then(|| format!("{origin} has no NS record: nobody is referred to it (RFC 1034 §4.2.1)")),
        )
}

/// RFC 2308 §3: in a negative answer the SOA's TTL is the smaller of its own and its MINIMUM field.
fn denial(soa: &Record) -> Record {
    let mut denial = soa.clone();
    if let RData::SOA(data) = &soa.data {
        denial.ttl = soa.ttl.min(data.minimum);
    }
    denial
}

/// The zones one process serves.
#[derive(Debug, Default)]
pub struct Zones(BTreeMap<LowerName, Zone>);

impl Zones {
    /// Collects zones.
    ///
    /// # Errors
    /// When two have the same origin: names the origin.
    pub fn new(zones: impl IntoIterator<Item = Zone>) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for zone in zones {
            match all.entry(zone.origin.clone()) {
                Entry::Occupied(entry) => return Err(format!("the zone {} is given twice", entry.key())),
                Entry::Vacant(entry) => entry.insert(zone),
            };
        }
        Ok(Zones(all))
    }

    /// The zone that answers for `name`: the deepest that encloses it (RFC 1034 §4.3.2 step 2).
    pub fn enclosing(&self, name: &LowerName) -> Option<&Zone> {
        ancestors(name, &LowerName::from(Name::root())).find_map(|ancestor| self.0.get(&ancestor))
    }

    /// All zones, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.0.values()
    }
}
