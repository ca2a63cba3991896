//! Names that stand for other names: CNAME (RFC 1034 §3.6.2) and DNAME (RFC 6672).

use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;

use crate::cache::{End, Finding};
use crate::minimise::labels;

/// The most aliases that are followed for one question; Unbound and BIND stop at the same number.
pub const MAX_ALIASES: usize = 11;

/// Does a question of this type follow a CNAME? Those for the alias itself, or for everything, do not
/// (RFC 1034 §3.6.2).
pub fn follows_aliases(kind: RecordType) -> bool {
    !matches!(kind, RecordType::CNAME | RecordType::ANY)
}

/// Where a CNAME points; `None` for any other record.
pub fn target(alias: &Record) -> Option<Name> {
    match &alias.data {
        RData::CNAME(cname) => Some(cname.0.clone()),
        _ => None,
    }
}

/// The CNAME that a DNAME makes for a name below it, and where it points (RFC 6672 §2.2). `None` when `dname`
/// is no DNAME above `name`, or the new name would be too long.
pub fn rename(name: &Name, dname: &Record) -> Option<(Record, Name)> {
    if dname.record_type() != RecordType::DNAME || !dname.name.zone_of(name) || dname.name == *name {
        return None;
    }
    // The library knows the type's number but not its form, which is one uncompressed name (RFC 6672 §2.1).
    let RData::Unknown { rdata, .. } = &dname.data else { return None };
    let new_parent = Name::from_bytes(&rdata.anything).ok()?;
    let kept = labels(name) - labels(&dname.name);
    let below = Name::from_labels(name.iter().take(kept)).ok()?;
    let target = below.append_domain(&new_parent).ok()?;
    Some((Record::from_rdata(name.clone(), dname.ttl, RData::CNAME(CNAME(target.clone()))), target))
}

/// What is found about `name`, below this DNAME. A query for the alias itself has it then; all others
/// go on (RFC 6672 §3.2).
pub fn renamed(name: &Name, kind: RecordType, dname: Record) -> Option<Finding> {
    let (alias, target) = rename(name, &dname)?;
    Some(match follows_aliases(kind) {
        true => Finding { aliases: vec![dname, alias], end: End::Alias(target) },
        false => Finding { aliases: vec![dname], end: End::Records(vec![alias]) },
    })
}
