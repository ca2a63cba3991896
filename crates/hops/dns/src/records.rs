//! Records as they are kept: in the bytes in which they go over the wire, by name and type.

use std::collections::HashMap;

use dnswire::ancestors;
use hickory_proto::rr::RecordType;

/// All records of one name and type, which share their TTL (RFC 2181 §5).
#[derive(Clone, Debug)]
pub struct RrSet {
    /// The type.
    pub kind: RecordType,
    /// For how many seconds the records may be kept.
    pub ttl: u32,
    /// The data of each record in wire form, its length before it in two bytes.
    data: Box<[u8]>,
}

impl RrSet {
    /// The data of each record: wire form, names in it not compressed.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &*self.data;
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (data, next) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = next;
            Some(data)
        })
    }

    /// How many records there are.
    pub fn count(&self) -> usize {
        self.iter().count()
    }

    fn push(&mut self, data: &[u8]) {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
        self.data =
            [&self.data, length.as_slice(), &data[..data.len().min(usize::from(u16::MAX))]].concat().into();
    }
}

/// Everything known about one name: its records by type.
///
/// A node may be empty: in a zone with only `a.b.example.` the name `b.example.` exists too, without
/// records (an *empty non-terminal*, RFC 8499 §7). A query for it gets NODATA, not NXDOMAIN.
#[derive(Debug, Default)]
pub struct Node(Vec<RrSet>);

impl Node {
    /// The records of a type, if there are any.
    pub fn get(&self, kind: RecordType) -> Option<&RrSet> {
        self.0.iter().find(|set| set.kind == kind)
    }

    /// All records, in the order of their types' numbers.
    pub fn sets(&self) -> &[RrSet] {
        &self.0
    }

    /// Adds a record; returns what is odd about it, without its name and type.
    pub fn add(&mut self, kind: RecordType, ttl: u32, data: &[u8]) -> Option<String> {
        let Some(set) = self.0.iter_mut().find(|set| set.kind == kind) else {
            let at = self.0.partition_point(|set| u16::from(set.kind) < u16::from(kind));
            let mut set = RrSet { kind, ttl, data: Box::default() };
            set.push(data);
            self.0.reserve_exact(1);
            self.0.insert(at, set);
            return None;
        };
        if set.iter().any(|other| is_same(kind, other, data)) {
            return Some("stands here for the second time; once counts (RFC 2181 §5)".to_owned());
        }
        let lowest = set.ttl.min(ttl);
        let odd = (set.ttl != ttl)
            .then(|| format!("has several TTLs; the lowest, {lowest}, counts for all (RFC 2181 §5.2)"));
        set.ttl = lowest;
        set.push(data);
        odd
    }
}

/// Is it the same data? Names in it are the same in any case (RFC 4343 §3).
fn is_same(kind: RecordType, one: &[u8], other: &[u8]) -> bool {
    let before = match kind {
        RecordType::NS | RecordType::CNAME | RecordType::PTR | RecordType::DNAME => 0,
        RecordType::MX => 2,
        RecordType::SRV => 6,
        _ => return one == other,
    };
    let split = |data: &'_ [u8]| {
        data.split_at_checked(before).map(|(numbers, name)| (numbers.to_vec(), name.to_ascii_lowercase()))
    };
    split(one) == split(other)
}

/// The names of a zone that exist, each in wire form and small letters, and what is known about each.
#[derive(Debug, Default)]
pub struct Nodes(HashMap<Box<[u8]>, Node>);

impl Nodes {
    /// What is known about exactly this name; `None` when the name does not exist.
    pub fn get(&self, name: &[u8]) -> Option<&Node> {
        self.0.get(name)
    }

    /// Has the name records of this type?
    pub fn has(&self, name: &[u8], kind: RecordType) -> bool {
        self.get(name).is_some_and(|node| node.get(kind).is_some())
    }

    /// All names, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.0.iter().map(|(name, node)| (&**name, node))
    }

    /// The node of a name, made if need be. Every name between it and `origin` then exists as well, if only as an empty
    /// node.
    pub fn make(&mut self, name: &[u8], origin: &[u8]) -> &mut Node {
        let between = dnswire::parent(name).into_iter().flat_map(ancestors);
        for above in between.take_while(|above| above.len() >= origin.len()) {
            if self.0.contains_key(above) {
                break;
            }
            self.0.insert(above.into(), Node::default());
        }
        self.0.entry(name.into()).or_default()
    }
}
