//! What an authoritative server says to a question: the algorithm of RFC 1034 §4.3.2.
//!
//! There are only six things it can say:
//!
//! | outcome  | RCODE    | AA | sections                                                        |
//! |----------|----------|----|-----------------------------------------------------------------|
//! | answer   | NOERROR  | 1  | the records in ANSWER (after the aliases that led to them)      |
//! | referral | NOERROR  | 0  | who knows more: NS in AUTHORITY, their addresses in ADDITIONAL      |
//! | NODATA   | NOERROR  | 1  | the name exists, the type does not: SOA in AUTHORITY             |
//! | NXDOMAIN | NXDOMAIN | 1  | the name does not exist, nor anything below it: SOA in AUTHORITY |
//! | YXDOMAIN | YXDOMAIN | 1  | a DNAME moves the name, and what comes of it is too long: the DNAME in ANSWER |
//! | REFUSED  | REFUSED  | 0  | not one of my zones                                              |

use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{DNSClass, LowerName, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;

use crate::zone::{Zone, Zones, ancestors};

/// How many aliases in a row are followed before the client has to go on by itself.
const LONGEST_CHAIN: usize = 8;

/// What a question comes to: the content of a response, before it becomes bytes.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub code: ResponseCode,
    /// AA: "I answer for this name", false in a referral.
    pub authoritative: bool,
    /// The records, after the aliases that led to them.
    pub answers: Vec<Record>,
    /// A referral's name servers, or the SOA of a negative answer.
    pub authorities: Vec<Record>,
    /// Addresses of the servers named in the other sections.
    pub additionals: Vec<Record>,
    /// Whether `additionals` is needed to go on (glue) or a courtesy that may be left out.
    pub needs_additionals: bool,
}

impl Outcome {
    fn empty(code: ResponseCode) -> Self {
        let (answers, authorities, additionals) = (Vec::new(), Vec::new(), Vec::new());
        Outcome { code, authoritative: false, answers, authorities, additionals, needs_additionals: false }
    }
}

/// Answers `question` from `zones`.
pub fn answer(zones: &Zones, question: &Query) -> Outcome {
    let kind = question.query_type;
    // A whole zone (AXFR) goes to secondaries only, and this server has none; the other classes
    // (CHAOS, HESIOD) have no zones here.
    let transfer = matches!(kind, RecordType::AXFR | RecordType::IXFR);
    if transfer || !matches!(question.query_class, DNSClass::IN | DNSClass::ANY) {
        return Outcome::empty(ResponseCode::Refused);
    }
    let mut name = question.name.clone();
    let Some(mut zone) = zone_for(zones, &LowerName::new(&name), kind) else {
        return Outcome::empty(ResponseCode::Refused);
    };
    let mut reply = Outcome { authoritative: true, ..Outcome::empty(ResponseCode::NoError) };
    // Once around unless the name is an alias; then again with the name it stands for.
    for _ in 0..LONGEST_CHAIN {
        match look_up(zone, &name, kind) {
            Found::Records(records) => {
                add_addresses(&mut reply.additionals, zone, &records);
                reply.answers.extend(records);
                return reply;
            }
            Found::Cname(record, target) => {
                let seen = reply.answers.iter().any(|earlier| earlier.name == record.name);
                reply.answers.push(*record);
                name = target;
                match zone_for(zones, &LowerName::new(&name), kind) {
                    Some(next) if !seen => zone = next,
                    // It leads out of our zones, or in a circle: the resolver takes it from here.
                    _ => return reply,
                }
            }
            Found::Dname(dname, target) => {
                let owner = name.clone();
                let ttl = dname.ttl;
                if !reply.answers.contains(&dname) {
                    reply.answers.push(*dname);
                }
                let Some(target) = target else {
                    reply.code = ResponseCode::YXDomain;
                    return reply;
                };
                // For whoever does not know DNAME, an alias that says the same (RFC 6672 §3.1).
                let seen = reply.answers.iter().any(|earlier| earlier.name == owner);
                reply.answers.push(Record::from_rdata(owner, ttl, RData::CNAME(CNAME(target.clone()))));
                name = target;
                match zone_for(zones, &LowerName::new(&name), kind) {
                    Some(next) if !seen && kind != RecordType::CNAME => zone = next,
                    _ => return reply,
                }
            }
            Found::Referral(servers) => {
                // With an alias before it the answer section is ours, so AA stays (RFC 1035 §4.1.1).
                reply.authoritative = !reply.answers.is_empty();
                add_addresses(&mut reply.additionals, zone, &servers);
                reply.needs_additionals = true;
                reply.authorities = servers;
                return reply;
            }
            Found::NoData => {
                reply.authorities = vec![zone.denial().clone()];
                return reply;
            }
            Found::NxDomain => {
                // After aliases the code tells of the last name (RFC 6604 §3).
                reply.code = ResponseCode::NXDomain;
                reply.authorities = vec![zone.denial().clone()];
                return reply;
            }
        }
    }
    reply
}

/// The zone to look in. The DS record of a zone is the one thing that its *parent* answers for
/// (RFC 4035 §3.1.4.1), so for DS a zone that starts at the very name is passed over, if another
/// encloses it.
fn zone_for<'z>(zones: &'z Zones, name: &LowerName, kind: RecordType) -> Option<&'z Zone> {
    let zone = zones.enclosing(name)?;
    if kind == RecordType::DS && zone.origin() == name && !name.is_root() {
        return zones.enclosing(&name.base_name()).or(Some(zone));
    }
    Some(zone)
}

/// What one zone knows about one name and type.
enum Found {
    Records(Vec<Record>),
    /// The CNAME record and the name it points to.
    Cname(Box<Record>, Name),
    /// The DNAME record above the name, and what the name becomes; `None` when that is no name any more.
    Dname(Box<Record>, Option<Name>),
    /// The NS records of the cut at or above the name.
    Referral(Vec<Record>),
    NoData,
    NxDomain,
}

fn look_up(zone: &Zone, query_name: &Name, kind: RecordType) -> Found {
    let name = LowerName::new(query_name);
    // From the top down, the first cut on the way ends our authority: whatever lies at or below it
    // is the other side's to say, even if we happen to hold a copy (glue). A DNAME moves all that lies
    // below it, but not itself (RFC 6672 §2.3).
    let mut path: Vec<LowerName> = ancestors(&name, zone.origin()).collect();
    path.reverse();
    for step in &path {
        let servers = zone.records(step, RecordType::NS);
        let is_parents_own = kind == RecordType::DS && *step == name;
        if step != zone.origin() && !servers.is_empty() && !is_parents_own {
            return Found::Referral(servers.to_vec());
        }
        if let Some(dname) = zone.records(step, RecordType::DNAME).first().filter(|_| *step != name) {
            return Found::Dname(Box::new(dname.clone()), renamed(query_name, dname));
        }
    }
    let node = match zone.node(&name) {
        Some(node) => node,
        None => {
            // A wildcard answers in place of names that do not exist, directly below the closest
            // name that does (RFC 4592 §3.3.1); the records then bear the name of the query.
            let closest = path.iter().rev().find(|name| zone.node(name).is_some());
            let wildcard = closest.and_then(|name| Name::from(name.clone()).prepend_label("*").ok());
            match wildcard.and_then(|name| zone.node(&LowerName::new(&name))) {
                Some(node) => node,
                None => return Found::NxDomain,
            }
        }
    };
    let owned = |record: &Record| {
        let mut record = record.clone();
        record.name = query_name.clone();
        record
    };
    if kind == RecordType::ANY {
        // RFC 8482 §4.1: "any" is answered with one of the sets, not with all: less to amplify.
        let first = node.values().next().map(|set| set.iter().map(owned).collect());
        return first.map_or(Found::NoData, Found::Records);
    }
    if let Some(records) = node.get(&kind) {
        return Found::Records(records.iter().map(owned).collect());
    }
    match node.get(&RecordType::CNAME).and_then(|set| set.first()) {
        Some(record) => match &record.data {
            RData::CNAME(target) => Found::Cname(Box::new(owned(record)), target.0.clone()),
            _ => Found::NoData,
        },
        None => Found::NoData,
    }
}

/// The name with the DNAME's target in place of the DNAME's owner (RFC 6672 §2.2); `None` when it gets too long.
fn renamed(name: &Name, dname: &Record) -> Option<Name> {
    // hickory knows the type's number, but not what is in it.
    let RData::Unknown { rdata, .. } = &dname.data else { return None };
    let target = Name::from_bytes(&rdata.anything).ok()?;
    // Not `num_labels`, which does not count an asterisk.
    let kept = name.iter().len().checked_sub(dname.name.iter().len())?;
    let labels = name.iter().take(kept).chain(target.iter());
    Name::from_labels(labels).ok()
}

/// Adds the addresses, as far as the zone has them, of the hosts that `records` name.
///
/// In a referral this is the glue; with NS, MX and SRV answers it saves the client a question.
fn add_addresses(additionals: &mut Vec<Record>, zone: &Zone, records: &[Record]) {
    for record in records {
        let host = match &record.data {
            RData::NS(server) => &server.0,
            RData::MX(exchange) => &exchange.exchange,
            RData::SRV(service) => &service.target,
            _ => continue,
        };
        let host = LowerName::new(host);
        for kind in [RecordType::A, RecordType::AAAA] {
            for address in zone.records(&host, kind) {
                if !additionals.contains(address) {
                    additionals.push(address.clone());
                }
            }
        }
    }
}
