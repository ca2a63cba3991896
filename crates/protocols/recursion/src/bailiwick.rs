//! What a name server says, and how much of it may be believed.
//!
//! A server may speak of its own zone only. What it says about other names, in whichever section, is thrown
//! away here and nowhere else: else the server of any zone could give the world a new address for a bank
//! (RFC 2181 §5.4.1, RFC 5452 §6).

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::alias::{MAX_ALIASES, follows_aliases, rename, renamed, target};
use crate::cache::{Delegation, End, Finding, NameServer};

/// No TTL counts for more than a day, in seconds: whoever moves must not be haunted by a TTL of 68 years
/// (RFC 2181 §8; RFC 8767 §4 allows up to a week).
const MAX_TTL: u32 = 86_400;
/// "No" is kept for three hours at most (RFC 2308 §5).
const MAX_NEGATIVE_TTL: u32 = 10_800;
/// The most servers of one delegation that are looked at; the root has thirteen.
const MAX_SERVERS: usize = 16;

/// What a response means to the question.
#[derive(Debug)]
pub(crate) enum Classified {
    /// What the zone says of the name, be it that there is nothing.
    Finding(Finding),
    /// Others know more: who, and for how many seconds that holds.
    Referral(Delegation, u32),
    /// Nothing: this server does not serve the zone as it should (a *lame* server). Another one may.
    Lame(String),
}

/// What the response of a server of `zone` to the question for `name` and `kind` means.
pub(crate) fn classify(zone: &Name, name: &Name, kind: RecordType, response: &Message) -> Classified {
    let code = response.response_code;
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Classified::Lame(format!("it answers {}", dnswire::name_of(code)));
    }
    if response.recursion_available && !response.authoritative {
        return Classified::Lame(format!("it is a resolver and no server of {zone}"));
    }
    if response.truncation {
        return Classified::Lame("its response is cut off".to_owned());
    }
    if !follows_aliases(kind)
        && let Some((dname, _)) = dname(zone, name, &response.answers)
        && let Some(finding) = renamed(name, kind, dname)
    {
        return Classified::Finding(finding);
    }
    let (aliases, at) = follow(zone, name, kind, &response.answers);
    let finding = |end| Classified::Finding(Finding { aliases: aliases.clone(), end });
    if !zone.zone_of(&at) {
        // Whatever else it says is about somebody else's zone.
        return finding(End::Alias(at));
    }
    let records = rrset(&response.answers, &at, kind);
    if !records.is_empty() {
        return finding(End::Records(records));
    }
    // The code is about the name at the end of the aliases (RFC 6604 §3).
    let soa = soa(zone, &at, &response.authorities);
    if code == ResponseCode::NXDomain {
        return finding(End::NxDomain(soa));
    }
    if soa.is_some() {
        return finding(End::NoData(soa));
    }
    if !aliases.is_empty() {
        return finding(End::Alias(at));
    }
    match referral(zone, &at, response) {
        Some(classified) => classified,
        None if response.authoritative => finding(End::NoData(None)),
        None => Classified::Lame("it answers nothing and refers to nobody".to_owned()),
    }
}

/// The aliases from `name` on, as far as this server may tell, and the name they lead to.
fn follow(zone: &Name, name: &Name, kind: RecordType, answers: &[Record]) -> (Vec<Record>, Name) {
    let (mut aliases, mut at) = (Vec::new(), name.clone());
    if !follows_aliases(kind) {
        return (aliases, at);
    }
    for _ in 0..=MAX_ALIASES {
        if !zone.zone_of(&at) {
            break;
        }
        if let Some(alias) = rrset(answers, &at, RecordType::CNAME).into_iter().next()
            && let Some(next) = target(&alias)
            && dname(zone, &at, answers).is_none()
        {
            aliases.push(alias);
            at = next;
        } else if let Some((dname, (alias, next))) = dname(zone, &at, answers) {
            aliases.extend([dname, alias]);
            at = next;
        } else {
            break;
        }
    }
    (aliases, at)
}

/// The DNAME above `name`, and what it makes of it. The CNAME that the server made is not looked at.
fn dname(zone: &Name, name: &Name, answers: &[Record]) -> Option<(Record, (Record, Name))> {
    let above = |record: &&Record| record.record_type() == RecordType::DNAME && zone.zone_of(&record.name);
    let owner = answers.iter().filter(above).find(|record| rename(name, record).is_some())?.name.clone();
    let dname = rrset(answers, &owner, RecordType::DNAME).into_iter().next()?;
    let renamed = rename(name, &dname)?;
    Some((dname, renamed))
}

/// The records of a name and type, as one set: without duplicates (RFC 2181 §5), and with one TTL, the lowest
/// (§5.2). `ANY` takes all types.
fn rrset(section: &[Record], name: &Name, kind: RecordType) -> Vec<Record> {
    let mut set: Vec<Record> = Vec::new();
    for record in section {
        let fits = kind == RecordType::ANY || record.record_type() == kind;
        if fits && record.dns_class == DNSClass::IN && record.name == *name {
            if set.iter().any(|other| other.data == record.data) {
                continue;
            }
            // As the client spelled it, not as the first who queried it did.
            set.push(Record::from_rdata(name.clone(), record.ttl, record.data.clone()));
        }
    }
    let ttl = section
        .iter()
        .filter(|record| record.name == *name && (kind == RecordType::ANY || record.record_type() == kind))
        .map(|record| record.ttl)
        .min()
        .unwrap_or(0)
        .min(MAX_TTL);
    set.iter_mut().for_each(|record| record.ttl = ttl);
    set
}

/// The SOA that makes an answer negative, with the TTL that the "no" has: its own or MINIMUM, whichever is
/// lower (RFC 2308 §5).
fn soa(zone: &Name, name: &Name, authorities: &[Record]) -> Option<Record> {
    authorities.iter().find_map(|record| {
        let RData::SOA(soa) = &record.data else { return None };
        let fits = zone.zone_of(&record.name) && record.name.zone_of(name);
        let ttl = record.ttl.min(soa.minimum).min(MAX_NEGATIVE_TTL);
        fits.then(|| Record::from_rdata(record.name.clone(), ttl, record.data.clone()))
    })
}

/// The delegation in a response: downwards, on the way to `name`; else it is lame.
fn referral(zone: &Name, name: &Name, response: &Message) -> Option<Classified> {
    let below =
        response.authorities.iter().find(|record| record.record_type() == RecordType::NS)?.name.clone();
    if below == *zone || !zone.zone_of(&below) || !below.zone_of(name) {
        return Some(Classified::Lame(format!("it serves {zone} and refers to {below}")));
    }
    let records = rrset(&response.authorities, &below, RecordType::NS);
    let mut ttl = records.first().map_or(0, |record| record.ttl);
    let mut servers = Vec::new();
    for record in records.into_iter().take(MAX_SERVERS) {
        let RData::NS(server) = record.data else { continue };
        let mut glue = Vec::new();
        // Glue for names outside the zone is not believed: anybody could say it.
        if zone.zone_of(&server.0) {
            for kind in [RecordType::A, RecordType::AAAA] {
                let addresses = rrset(&response.additionals, &server.0, kind);
                ttl = addresses.first().map_or(ttl, |address| ttl.min(address.ttl));
                glue.extend(addresses.iter().filter_map(|address| address.data.ip_addr()));
            }
        }
        servers.push(NameServer { name: server.0, glue });
    }
    Some(Classified::Referral(Delegation { zone: below, servers }, ttl))
}

#[cfg(test)]
mod tests;
