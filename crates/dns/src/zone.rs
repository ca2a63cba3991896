//! Zone files: from the text a person edits to a tree of names that questions are looked up in.
//!
//! A *zone* is the part of the name tree that one organisation answers for. It begins at its
//! *origin* and ends at its *cuts*, the names it has delegated to somebody else.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};

use hickory_proto::rr::rdata::{HTTPS, SVCB};
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinEncodable};
use hickory_proto::serialize::txt::Parser;

/// Everything known about one name: its records by type.
///
/// A node may be empty: in a zone with only `a.b.example.` the name `b.example.` exists too, without
/// records (an *empty non-terminal*, RFC 8499 §7). Asking for it is NODATA, not NXDOMAIN.
pub type Node = BTreeMap<RecordType, Vec<Record>>;

/// One zone, loaded and checked.
#[derive(Debug)]
pub struct Zone {
    origin: LowerName,
    nodes: BTreeMap<LowerName, Node>,
    /// The SOA as negative answers carry it: its TTL is min(TTL, MINIMUM), as RFC 2308 §3 says.
    denial: Record,
}

impl Zone {
    /// Reads and checks the zone file at `path` for the zone `origin`.
    ///
    /// # Errors
    /// Whatever is wrong with the file, with its path and, where it can be told, the line.
    pub fn load(origin: &Name, path: &Path) -> Result<Self, ZoneError> {
        let fail = |line, problem| ZoneError { path: path.to_owned(), line, problem };
        let text = std::fs::read_to_string(path).map_err(|error| fail(None, format!("read it: {error}")))?;
        let (_, sets) = match parse(&text, path, origin) {
            Ok(parsed) => parsed,
            Err(problem) => return Err(fail(line_of_error(&text, path, origin), problem)),
        };
        let records = sets.into_values().flat_map(|set| set.into_parts().records);
        Zone::from_records(origin, records).map_err(|problem| fail(None, problem))
    }

    /// Builds the tree and checks what a parser cannot see: that the records make a zone.
    fn from_records(origin: &Name, records: impl Iterator<Item = Record>) -> Result<Self, String> {
        let origin = LowerName::new(origin);
        let mut nodes: BTreeMap<LowerName, Node> = BTreeMap::new();
        for mut record in records {
            let name = LowerName::new(&record.name);
            if !origin.zone_of(&name) {
                return Err(format!("{} is not in the zone {origin}", record.name));
            }
            if record.dns_class != DNSClass::IN {
                return Err(format!("{} is of class {}; only IN is served", record.name, record.dns_class));
            }
            sort_service_parameters(&mut record)?;
            survives_the_wire(&record)?;
            // Every name between this one and the origin exists as well, if only as an empty node.
            for ancestor in ancestors(&name, &origin) {
                nodes.entry(ancestor).or_default();
            }
            nodes.entry(name).or_default().entry(record.record_type()).or_default().push(record);
        }
        let denial = check(&origin, &nodes)?;
        Ok(Zone { origin, nodes, denial })
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

/// Why a zone file cannot be served.
#[derive(Debug)]
pub struct ZoneError {
    path: PathBuf,
    line: Option<usize>,
    problem: String,
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone file {}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ZoneError {}

type Parsed = (Name, BTreeMap<hickory_proto::rr::RrKey, hickory_proto::rr::RecordSet>);

fn parse(text: &str, path: &Path, origin: &Name) -> Result<Parsed, String> {
    Parser::new(text, Some(path.to_owned()), Some(origin.clone())).parse().map_err(|error| error.to_string())
}

/// The parser does not say where it stopped. So, once a file is known to be broken, ask it about the
/// first line, the first two lines, ... until the error stays; a zone file is small.
fn line_of_error(text: &str, path: &Path, origin: &Name) -> Option<usize> {
    const LONGEST: usize = 2_000; // lines; beyond, the search (quadratic) costs more than it tells
    let whole = parse(text, path, origin).err()?;
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).take(LONGEST + 1).collect();
    if ends.len() > LONGEST {
        return None;
    }
    // A beginning may stop inside parentheses that a later line closes, and fail for that alone.
    // So look for the last beginning that does not fail as the whole file does: the culprit follows.
    let fails = |end: &usize| parse(&text[..*end], path, origin).err().as_ref() == Some(&whole);
    Some(ends.iter().rposition(|end| !fails(end)).map_or(1, |index| index + 2))
}

/// Puts the parameters of an HTTPS or SVCB record in ascending order: a person may write them in any
/// order, on the wire they must ascend, and each may appear once (RFC 9460 §2.1, §2.2).
fn sort_service_parameters(record: &mut Record) -> Result<(), String> {
    let (RData::HTTPS(HTTPS(service)) | RData::SVCB(service)) = &mut record.data else { return Ok(()) };
    let SVCB { svc_params, .. } = service;
    svc_params.sort_by_key(|(key, _)| u16::from(*key));
    match svc_params.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(pair) => Err(format!("{} repeats the service parameter {}", record.name, pair[0].0)),
        None => Ok(()),
    }
}

/// Writes the record as it will go out and reads it back: what does not survive this would turn
/// every question for it into a SERVFAIL later, so it is refused now.
fn survives_the_wire(record: &Record) -> Result<(), String> {
    let kind = record.record_type();
    let bytes = record.to_bytes().map_err(|error| format!("{} {kind}: {error}", record.name))?;
    Record::from_bytes(&bytes).map_err(|error| format!("{} {kind}: {error}", record.name))?;
    Ok(())
}

/// Checks the rules that concern several records at once; returns the SOA for negative answers.
fn check(origin: &LowerName, nodes: &BTreeMap<LowerName, Node>) -> Result<Record, String> {
    let apex = nodes.get(origin).ok_or_else(|| format!("it holds no record of {origin}"))?;
    let denial = match apex.get(&RecordType::SOA).map(Vec::as_slice) {
        Some([soa]) => denial(soa),
        _ => return Err(format!("{origin} must have exactly one SOA record (RFC 1035 §5.2)")),
    };
    if !apex.contains_key(&RecordType::NS) {
        return Err(format!("{origin} has no NS record: nobody would serve it (RFC 1034 §4.2.1)"));
    }
    for (name, node) in nodes {
        if node.contains_key(&RecordType::CNAME) && (node.len() > 1 || node[&RecordType::CNAME].len() > 1) {
            return Err(format!("{name} is a CNAME and has other records too (RFC 1034 §3.6.2)"));
        }
        if name != origin && node.contains_key(&RecordType::SOA) {
            return Err(format!("{name} has an SOA but is not the zone's origin {origin}"));
        }
        for server in node.get(&RecordType::NS).into_iter().flatten().filter(|_| name != origin) {
            let RData::NS(target) = &server.data else { continue };
            let target = LowerName::new(&target.0);
            let address = |kind| nodes.get(&target).is_some_and(|node| node.contains_key(&kind));
            if name.zone_of(&target) && !address(RecordType::A) && !address(RecordType::AAAA) {
                return Err(format!("{name} is delegated to {target} but there is no address (glue) for it"));
            }
        }
    }
    Ok(denial)
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
