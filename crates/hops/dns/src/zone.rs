//! Zones: from the records of a file to the names that questions are looked up in.
//!
//! A *zone* is the part of the name tree that one organisation answers for. It begins at its
//! *origin* and ends at its *cuts*, the names it has delegated to somebody else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use dnswire::{WireName, ancestors, data_to_wire, is_within, to_wire};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;
use zonefile::Error;

use crate::records::{Node, Nodes, RrSet};

/// One zone, loaded and checked. Names are in wire form and small letters.
#[derive(Debug)]
pub struct Zone {
    origin: Box<[u8]>,
    nodes: Nodes,
    /// The SOA as negative answers carry it: its TTL is min(TTL, MINIMUM), as RFC 2308 §3 says.
    denial: RrSet,
    warnings: Vec<Error>,
}

impl Zone {
    /// Reads and checks the zone file at `path` for the zone `origin`.
    ///
    /// # Errors
    /// Whatever is wrong with the file, with its path and, where it can be told, the line.
    pub fn load(origin: &Name, path: &Path) -> Result<Self, Error> {
        let top = to_wire(&origin.to_lowercase()).into_boxed_slice();
        let mut nodes = Nodes::default();
        let mut warnings = Vec::new();
        for entry in zonefile::read(path, origin)?.entries {
            let at = |problem| Error { file: entry.file.to_path_buf(), line: Some(entry.line), problem };
            let record = entry.record;
            let name = to_wire(&record.name.to_lowercase());
            if !is_within(&name, &top) {
                return Err(at(format!("{} is not in the zone {}", record.name, shown(&top))));
            }
            if is_hashed_denial(&record) {
                continue;
            }
            let kind = record.record_type();
            let data =
                data_to_wire(&record.data).ok_or_else(|| at("its data has no wire form".to_owned()))?;
            let odd = nodes.make(&name, &top).add(kind, record.ttl, &data);
            warnings.extend(odd.map(|odd| at(format!("{} {kind} {odd}", record.name))));
        }
        let whole = |problem| Error { file: path.to_owned(), line: None, problem };
        let denial = check(&top, &nodes).map_err(whole)?;
        warnings.extend(doubts(&top, &nodes).into_iter().map(whole));
        Ok(Zone { origin: top, nodes, denial, warnings })
    }

    /// What can be served but is hardly meant.
    pub fn warnings(&self) -> &[Error] {
        &self.warnings
    }

    /// The zone's topmost name.
    pub fn origin(&self) -> &[u8] {
        &self.origin
    }

    /// The SOA record for the authority section of a negative answer.
    pub fn denial(&self) -> &RrSet {
        &self.denial
    }

    /// What is known about exactly this name; `None` when the name does not exist.
    pub fn node(&self, name: &[u8]) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// All names that exist, and what is known about each.
    pub fn nodes(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter()
    }

    /// How many records the zone holds.
    pub fn record_count(&self) -> usize {
        self.nodes().flat_map(|(_, node)| node.sets()).map(RrSet::count).sum()
    }
}

/// A name for people.
pub fn shown(name: &[u8]) -> String {
    Name::from_bytes(name).map_or_else(|_| name.escape_ascii().to_string(), |name| name.to_ascii())
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

/// Checks the rules that concern several records at once; returns the SOA for negative answers.
fn check(origin: &[u8], nodes: &Nodes) -> Result<RrSet, String> {
    let apex = nodes.get(origin).ok_or_else(|| format!("it holds no record of {}", shown(origin)))?;
    let soa = apex.get(RecordType::SOA).filter(|soa| soa.count() == 1);
    let soa =
        soa.ok_or_else(|| format!("{} must have exactly one SOA record (RFC 1035 §5.2)", shown(origin)))?;
    // The same of several every time.
    match nodes.iter().filter_map(|(name, node)| wrong(origin, nodes, name, node)).min() {
        Some(wrong) => Err(wrong),
        None => Ok(denial(soa)),
    }
}

/// What is wrong with one name.
fn wrong(origin: &[u8], nodes: &Nodes, name: &[u8], node: &Node) -> Option<String> {
    let count = |kind| node.get(kind).map_or(0, RrSet::count);
    // Its signature and its NSEC record may stand beside an alias (RFC 4034 §2.1, RFC 2181 §10.1).
    let beside = |set: &RrSet| !matches!(set.kind, RecordType::CNAME | RecordType::RRSIG | RecordType::NSEC);
    let says = match () {
        () if count(RecordType::CNAME) > 1 => "has more than one CNAME (RFC 2181 §10.1)".to_owned(),
        () if count(RecordType::CNAME) == 1 && node.sets().iter().any(beside) => {
            "is a CNAME and has other records too (RFC 1034 §3.6.2)".to_owned()
        }
        () if count(RecordType::DNAME) > 1 => "has more than one DNAME (RFC 6672 §2.4)".to_owned(),
        () if name != origin && count(RecordType::SOA) > 0 => {
            format!("has an SOA but is not the zone's origin {}", shown(origin))
        }
        () if node.sets().is_empty() => return None,
        () => {
            let above = ancestors(name).skip(1).take_while(|above| above.len() >= origin.len());
            let moved = { above }.find(|above| nodes.has(above, RecordType::DNAME))?;
            format!("is below {}, whose DNAME moves all such names (RFC 6672 §2.4)", shown(moved))
        }
    };
    Some(format!("{} {says}", shown(name)))
}

/// What a person would want to know who wrote this zone.
fn doubts(origin: &[u8], nodes: &Nodes) -> Vec<String> {
    let mut doubts = Vec::new();
    for (name, node) in nodes.iter() {
        for server in node.get(RecordType::NS).into_iter().flat_map(RrSet::iter).filter_map(WireName::new) {
            let server = server.lower();
            let address = nodes.has(server, RecordType::A) || nodes.has(server, RecordType::AAAA);
            if is_within(server, name) && !address {
                doubts.push(format!(
                    "{} is served by {}, but there is no address (glue) for it (RFC 1034 §4.2.1)",
                    shown(name),
                    shown(server)
                ));
            }
        }
    }
    doubts.sort();
    if !nodes.has(origin, RecordType::NS) {
        let name = shown(origin);
        doubts.push(format!("{name} has no NS record: nobody is referred to it (RFC 1034 §4.2.1)"));
    }
    doubts
}

/// RFC 2308 §3: in a negative answer the SOA's TTL is the smaller of its own and its MINIMUM field, the last.
fn denial(soa: &RrSet) -> RrSet {
    let minimum =
        soa.iter().next().and_then(<[u8]>::last_chunk::<4>).map(|minimum| u32::from_be_bytes(*minimum));
    let mut denial = soa.clone();
    denial.ttl = minimum.map_or(soa.ttl, |minimum| soa.ttl.min(minimum));
    denial
}

/// The zones one process serves.
#[derive(Debug, Default)]
pub struct Zones(BTreeMap<Box<[u8]>, Zone>);

impl Zones {
    /// Collects zones.
    ///
    /// # Errors
    /// When two have the same origin: names the origin.
    pub fn new(zones: impl IntoIterator<Item = Zone>) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        for zone in zones {
            match all.entry(zone.origin.clone()) {
                Entry::Occupied(entry) => {
                    return Err(format!("the zone {} is given twice", shown(entry.key())));
                }
                Entry::Vacant(entry) => entry.insert(zone),
            };
        }
        Ok(Zones(all))
    }

    /// The zone that answers for `name`: the deepest that encloses it (RFC 1034 §4.3.2 step 2).
    pub fn enclosing(&self, name: &[u8]) -> Option<&Zone> {
        ancestors(name).find_map(|ancestor| self.0.get(ancestor))
    }

    /// All zones, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Zone> {
        self.0.values()
    }
}
