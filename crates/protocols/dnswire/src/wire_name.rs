//! Names as messages carry them: labels, each with its length before it, ended by the root's empty one (RFC 1035
//! §3.1). In this form the name above another one is simply the rest of its bytes.
//!
//! For looking names up the letters are small, because names are the same in any case (RFC 4343 §3).

use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};

/// The longest name, in bytes (RFC 1035 §2.3.4).
pub const LONGEST_NAME: usize = 255;

/// A name with its spelling, and with small letters for looking it up. It lies in place and allocates nothing.
#[derive(Clone)]
pub struct WireName {
    spelled: [u8; LONGEST_NAME],
    lower: [u8; LONGEST_NAME],
    length: usize,
}

impl WireName {
    /// From an uncompressed name; `None` if it is too long.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        WireName::joined(bytes, &[])
    }

    /// From labels without their end, and the name to append; `None` if that is too long.
    pub fn joined(labels: &[u8], name: &[u8]) -> Option<Self> {
        let length = labels.len() + name.len();
        let mut spelled = [0; LONGEST_NAME];
        spelled.get_mut(..labels.len())?.copy_from_slice(labels);
        spelled.get_mut(labels.len()..length)?.copy_from_slice(name);
        let mut lower = spelled;
        // Lengths are below the letters.
        lower[..length].make_ascii_lowercase();
        Some(WireName { spelled, lower, length })
    }

    /// As it was written.
    pub fn spelled(&self) -> &[u8] {
        &self.spelled[..self.length]
    }

    /// In small letters.
    pub fn lower(&self) -> &[u8] {
        &self.lower[..self.length]
    }
}

/// The uncompressed wire form of a name, as it is spelled.
pub fn to_wire(name: &Name) -> Vec<u8> {
    name.to_bytes().unwrap_or_else(|_| vec![0])
}

/// The wire form of a record's data, names in it not compressed; `None` if it has none.
pub fn data_to_wire(data: &RData) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(64);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    data.emit(&mut encoder).ok()?;
    Some(bytes)
}

/// The name above; `None` above the root.
pub fn parent(name: &[u8]) -> Option<&[u8]> {
    let length = usize::from(*name.first()?);
    if length == 0 { None } else { name.get(1 + length..) }
}

/// The name, the name above it, and so on up to the root.
pub fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::successors(Some(name), |name| parent(name))
}

/// Is the name the zone's topmost or below it? Both in small letters.
pub fn is_within(name: &[u8], zone: &[u8]) -> bool {
    ancestors(name).any(|name| name == zone)
}

/// The end of the uncompressed name that begins at `start`, if there is a whole one.
pub(crate) fn end_of_name(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        match usize::from(*bytes.get(at)?) {
            0 => return (at + 1 - start <= LONGEST_NAME).then_some(at + 1),
            length if length < 64 => at += 1 + length,
            _ => return None,
        }
    }
}
