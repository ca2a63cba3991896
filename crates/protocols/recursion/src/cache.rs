//! What is found out about names, and who remembers it.
//!
//! Three kinds of knowledge are kept apart, and that keeps them honest (RFC 2181 §5.4.1): *findings* come
//! from the server of the zone and may be passed on to clients; *delegations*, with their glue, come from
//! the parent, serve to find a server, and are never an answer; *failures* are short and say that nothing
//! was found out (RFC 9520).

use std::net::IpAddr;
use std::time::Duration;

use hickory_proto::rr::{Name, Record, RecordType};

/// A failure is kept for the shortest time that RFC 9520 §3.2 allows: in a laboratory somebody has just
/// mended what failed.
pub const FAILURE: Duration = Duration::from_secs(1);

/// What a resolver remembers from one question to the next. For how long is its own decision, within the
/// TTLs.
pub trait Cache: Send + Sync + 'static {
    /// What is known of this question, with TTLs counted down (RFC 1035 §3.2.1).
    fn find(&self, name: &Name, kind: RecordType) -> Option<Finding>;

    /// Remembers a finding about `name`.
    fn keep(&self, name: &Name, kind: RecordType, finding: &Finding);

    /// The servers of the closest zone around `name` that is known. For DS, which lives above the cut
    /// (RFC 4035 §3.1.4.1), `name`'s own zone does not count.
    fn delegation(&self, name: &Name, kind: RecordType) -> Option<Delegation>;

    /// Remembers who serves a zone, for `ttl` seconds.
    fn keep_delegation(&self, delegation: Delegation, ttl: u32);

    /// A name server that was thought dead responds again: remembered failures are no longer true.
    fn server_recovered(&self);
}

/// What is known of a name and type: perhaps by aliases, and then what is at their end.
#[derive(Clone, Debug)]
pub struct Finding {
    /// CNAME records, and the DNAME records they come from, in the order in which they are followed.
    pub aliases: Vec<Record>,
    /// What is at the end of them.
    pub end: End,
}

/// The end of a [`Finding`].
#[derive(Clone, Debug)]
pub enum End {
    /// The records of the type.
    Records(Vec<Record>),
    /// The name exists, but has no record of that type (RFC 2308 §2.2); and the zone's SOA, if it was told.
    NoData(Option<Record>),
    /// There is no such name (of the alias's target, RFC 6604 §3).
    NxDomain(Option<Record>),
    /// Everything else is to be found out about this name.
    Alias(Name),
}

/// A zone's servers, as its parent names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// The topmost name of the zone.
    pub zone: Name,
    /// Its name servers.
    pub servers: Vec<NameServer>,
}

/// One server of a [`Delegation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameServer {
    /// From its NS record.
    pub name: Name,
    /// Its glue (RFC 1034 §4.2.1); without, its name has to be resolved first.
    pub glue: Vec<IpAddr>,
}
