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
//!
//! Names and records are bytes as they go over the wire ([`WireName`], [`RrSet`]): nothing is decoded, and a usual
//! answer is written without allocating memory.

use dnswire::{Owner, PlainQuery, ResponseWriter, Section, WireName, ancestors};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{DNSClass, RecordType};

use crate::records::{Node, RrSet};
use crate::zone::{Zone, Zones};

/// How many aliases in a row are followed before the client has to go on by itself.
const LONGEST_CHAIN: usize = 8;

/// What a response is, besides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The response code.
    pub code: ResponseCode,
    /// Are the addresses in ADDITIONAL needed to go on (glue), or a courtesy that may be left out?
    pub is_referral: bool,
}

impl Outcome {
    fn of(code: ResponseCode) -> Self {
        Outcome { code, is_referral: false }
    }
}

/// Answers `query` from `zones`: writes AA and the records into `reply`.
pub fn answer(zones: &Zones, query: &PlainQuery<'_>, reply: &mut ResponseWriter<'_, '_>) -> Outcome {
    let kind = query.kind();
    // A whole zone (AXFR) goes to secondaries only, and this server has none; the other classes
    // (CHAOS, HESIOD) have no zones here.
    let transfer = matches!(kind, RecordType::AXFR | RecordType::IXFR);
    let served = !transfer && matches!(query.class(), DNSClass::IN | DNSClass::ANY);
    let name = WireName::new(query.name()).filter(|_| served);
    let Some(mut name) = name else { return Outcome::of(ResponseCode::Refused) };
    let Some(mut zone) = zone_for(zones, name.lower(), kind) else {
        return Outcome::of(ResponseCode::Refused);
    };
    reply.authoritative(true);
    // The names that turned out to be aliases, and the DNAMEs that said so.
    let (mut aliases, mut dnames) = (Vec::<WireName>::new(), Vec::<&RrSet>::new());
    // Once around unless the name is an alias; then again with the name it stands for.
    for _ in 0..LONGEST_CHAIN {
        let owner = if aliases.is_empty() { Owner::Question } else { Owner::Name(name.spelled()) };
        let target = match look_up(zone, name.lower(), kind) {
            Found::Records(records) => {
                add(reply, Section::Answers, owner, records);
                add_addresses(reply, zone, records);
                return Outcome::of(ResponseCode::NoError);
            }
            Found::Cname(record) => {
                add(reply, Section::Answers, owner, record);
                record.iter().next().and_then(WireName::new)
            }
            Found::Dname(above, dname) => {
                if !dnames.iter().any(|earlier| std::ptr::eq(*earlier, dname)) {
                    add(reply, Section::Answers, Owner::Name(above), dname);
                    dnames.push(dname);
                }
                let Some(target) = renamed(&name, above, dname) else {
                    return Outcome::of(ResponseCode::YXDomain);
                };
                // For whoever does not know DNAME, an alias that says the same (RFC 6672 §3.1).
                reply.add(Section::Answers, owner, RecordType::CNAME, dname.ttl, target.spelled());
                Some(target).filter(|_| kind != RecordType::CNAME)
            }
            Found::Referral(cut, servers) => {
                // With an alias before it the answer section is ours, so AA stays (RFC 1035 §4.1.1).
                reply.authoritative(!aliases.is_empty());
                add(reply, Section::Authorities, Owner::Name(cut), servers);
                add_addresses(reply, zone, servers);
                return Outcome { code: ResponseCode::NoError, is_referral: true };
            }
            Found::NoData => {
                add(reply, Section::Authorities, Owner::Name(zone.origin()), zone.denial());
                return Outcome::of(ResponseCode::NoError);
            }
            Found::NxDomain => {
                // After aliases the code tells of the last name (RFC 6604 §3).
                add(reply, Section::Authorities, Owner::Name(zone.origin()), zone.denial());
                return Outcome::of(ResponseCode::NXDomain);
            }
        };
        let seen = aliases.iter().any(|earlier| earlier.lower() == name.lower());
        let next = target.filter(|_| !seen).and_then(|target| {
            let zone = zone_for(zones, target.lower(), kind)?;
            Some((target, zone))
        });
        // It leads out of our zones, or in a circle: the resolver takes it from here.
        let Some(next) = next else { break };
        aliases.push(name);
        (name, zone) = next;
    }
    Outcome::of(ResponseCode::NoError)
}

/// The zone to look in. The DS record of a zone is the one thing that its *parent* answers for
/// (RFC 4035 §3.1.4.1), so for DS a zone that starts at the very name is passed over, if another
/// encloses it.
fn zone_for<'z>(zones: &'z Zones, name: &[u8], kind: RecordType) -> Option<&'z Zone> {
    let zone = zones.enclosing(name)?;
    if kind == RecordType::DS && zone.origin() == name {
        let above = dnswire::parent(name).and_then(|parent| zones.enclosing(parent));
        return above.or(Some(zone));
    }
    Some(zone)
}

/// What one zone knows about one name and type.
enum Found<'z, 'n> {
    Records(&'z RrSet),
    /// The CNAME record.
    Cname(&'z RrSet),
    /// The name above that has a DNAME record, and the record.
    Dname(&'n [u8], &'z RrSet),
    /// The cut at or above the name, and its NS records.
    Referral(&'n [u8], &'z RrSet),
    NoData,
    NxDomain,
}

fn look_up<'z, 'n>(zone: &'z Zone, name: &'n [u8], kind: RecordType) -> Found<'z, 'n> {
    let origin = zone.origin();
    // The existing name nearest to this one, and where our authority ends on the way to it. Whatever lies at or below a
    // cut is the other side's to say, even if we happen to hold a copy (glue). A DNAME moves all that lies below it,
    // but not itself (RFC 6672 §2.3). Of several the topmost counts, and that is the last on the way up.
    let (mut closest, mut ended) = (None, None);
    for step in ancestors(name).take_while(|step| step.len() >= origin.len()) {
        let Some(node) = zone.node(step) else { continue };
        closest.get_or_insert((step, node));
        if let Some(dname) = node.get(RecordType::DNAME).filter(|_| step != name) {
            ended = Some(Found::Dname(step, dname));
        }
        let is_parents_own = kind == RecordType::DS && step == name;
        if let Some(servers) = node.get(RecordType::NS).filter(|_| step != origin && !is_parents_own) {
            ended = Some(Found::Referral(step, servers));
        }
    }
    if let Some(ended) = ended {
        return ended;
    }
    let node = match closest {
        Some((closest, node)) if closest == name => Some(node),
        // A wildcard answers in place of names that do not exist, directly below the closest
        // name that does (RFC 4592 §3.3.1); the records then bear the name of the query.
        Some((closest, _)) => {
            WireName::joined(b"\x01*", closest).and_then(|wildcard| zone.node(wildcard.lower()))
        }
        None => None,
    };
    node.map_or(Found::NxDomain, |node| found(node, kind))
}

/// What a node has of a type.
fn found<'z>(node: &'z Node, kind: RecordType) -> Found<'z, 'static> {
    if kind == RecordType::ANY {
        // RFC 8482 §4.1: "any" is answered with one of the sets, not with all: less to amplify.
        return node.sets().first().map_or(Found::NoData, Found::Records);
    }
    match (node.get(kind), node.get(RecordType::CNAME)) {
        (Some(records), _) => Found::Records(records),
        (None, Some(record)) => Found::Cname(record),
        (None, None) => Found::NoData,
    }
}

/// The name with the DNAME's target in place of the DNAME's owner (RFC 6672 §2.2); `None` when it gets too long.
fn renamed(name: &WireName, above: &[u8], dname: &RrSet) -> Option<WireName> {
    let kept = name.spelled().len().checked_sub(above.len())?;
    WireName::joined(&name.spelled()[..kept], dname.iter().next()?)
}

fn add(reply: &mut ResponseWriter<'_, '_>, section: Section, owner: Owner<'_>, set: &RrSet) {
    for data in set.iter() {
        reply.add(section, owner, set.kind, set.ttl, data);
    }
}

/// Adds the addresses, as far as the zone has them, of the hosts that `records` name.
///
/// In a referral this is the glue; with NS, MX and SRV answers it saves the client a question.
fn add_addresses(reply: &mut ResponseWriter<'_, '_>, zone: &Zone, records: &RrSet) {
    // Where in the data the host's name begins (RFC 1035 §3.3, RFC 2782).
    let begins = match records.kind {
        RecordType::NS => 0,
        RecordType::MX => 2,
        RecordType::SRV => 6,
        _ => return,
    };
    let hosts = || records.iter().filter_map(|data| data.get(begins..));
    for (number, host) in hosts().enumerate() {
        if hosts().take(number).any(|earlier| earlier.eq_ignore_ascii_case(host)) {
            continue;
        }
        let Some(host) = WireName::new(host) else { continue };
        let Some(node) = zone.node(host.lower()) else { continue };
        for addresses in [RecordType::A, RecordType::AAAA].into_iter().filter_map(|kind| node.get(kind)) {
            add(reply, Section::Additionals, Owner::Name(host.lower()), addresses);
        }
    }
}
