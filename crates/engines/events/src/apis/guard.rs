//! A look at a request's bytes before they are decoded.
//!
//! The decoder of `kafka-protocol` 0.18 believes the length in front of a list and allocates for that
//! many entries before it reads the first: twelve hostile bytes allocate 200 GB, and a failed
//! allocation ends the process. It also reads the first four bytes of a frame without checking that
//! they are there. So every request is walked first, by the shapes below, without allocating: a list
//! may not promise more entries than the bytes that are left could hold, nor a request more than
//! [`MAX_ITEMS`] in all.
//!
//! The shapes are those of the message definitions in Kafka's sources
//! (`clients/src/main/resources/common/message/*Request.json`), for the versions served.

use bytes::Buf as _;
use kafka_protocol::messages::ApiKey;

use crate::limits::MAX_ITEMS;

/// The part of a message that matters here: what must be skipped, and what repeats.
enum Shape {
    /// A number of bytes.
    Fixed(usize),
    /// Text that may be null.
    Text,
    /// Bytes that may be null.
    Blob,
    /// Entries that each have these fields (and, in flexible versions, tagged fields of their own).
    List(&'static [Field]),
    /// Entries without fields of their own, so without tagged fields either.
    Plain(&'static [Field]),
}
use Shape::{Blob, Fixed, List, Plain, Text};

/// A field and the versions that have it, from and to.
type Field = (i16, i16, Shape);
/// The last version, whichever it is.
const LAST: i16 = i16::MAX;

/// A request's fields and the first version with compact lengths and tagged fields (KIP-482).
struct Message {
    flexible: i16,
    fields: &'static [Field],
}

const PRODUCE: Message = Message {
    flexible: 9,
    fields: &[
        (3, LAST, Text),     // transactional id
        (0, LAST, Fixed(6)), // acks, timeout
        (0, LAST, List(&[(0, LAST, Text), (0, LAST, List(&[(0, LAST, Fixed(4)), (0, LAST, Blob)]))])),
    ],
};
const FETCH: Message = Message {
    flexible: 12,
    fields: &[
        (0, LAST, Fixed(17)), // replica, longest wait, fewest bytes, most bytes, isolation
        (7, LAST, Fixed(8)),  // session and its epoch
        (
            0,
            LAST,
            List(&[
                (0, LAST, Text),
                (
                    0,
                    LAST,
                    List(&[
                        (0, LAST, Fixed(4)),  // partition
                        (9, LAST, Fixed(4)),  // leader epoch
                        (0, LAST, Fixed(8)),  // offset
                        (12, LAST, Fixed(4)), // last fetched epoch
                        (5, LAST, Fixed(8)),  // log start
                        (0, LAST, Fixed(4)),  // most bytes
                    ]),
                ),
            ]),
        ),
        (7, LAST, List(&[(0, LAST, Text), (0, LAST, Plain(&[(0, LAST, Fixed(4))]))])), // forgotten topics
        (11, LAST, Text),                                                              // rack
    ],
};
const LIST_OFFSETS: Message = Message {
    flexible: 6,
    fields: &[
        (0, LAST, Fixed(4)), // replica
        (2, LAST, Fixed(1)), // isolation
        (
            0,
            LAST,
            List(&[
                (0, LAST, Text),
                (0, LAST, List(&[(0, LAST, Fixed(4)), (4, LAST, Fixed(4)), (0, LAST, Fixed(8))])),
            ]),
        ),
    ],
};
const METADATA: Message = Message {
    flexible: 9,
    fields: &[
        (0, LAST, List(&[(10, LAST, Fixed(16)), (0, LAST, Text)])),
        (4, LAST, Fixed(1)), // may topics be created?
        (8, 10, Fixed(1)),   // permissions on the cluster
        (8, LAST, Fixed(1)), // permissions on topics
    ],
};
const API_VERSIONS: Message = Message { flexible: 3, fields: &[(3, LAST, Text), (3, LAST, Text)] };
const CREATE_TOPICS: Message = Message {
    flexible: 5,
    fields: &[
        (
            0,
            LAST,
            List(&[
                (0, LAST, Text),
                (0, LAST, Fixed(6)), // partitions, replicas
                (0, LAST, List(&[(0, LAST, Fixed(4)), (0, LAST, Plain(&[(0, LAST, Fixed(4))]))])),
                (0, LAST, List(&[(0, LAST, Text), (0, LAST, Text)])),
            ]),
        ),
        (0, LAST, Fixed(5)), // timeout, only look
    ],
};
const INIT_PRODUCER_ID: Message =
    Message { flexible: 2, fields: &[(0, LAST, Text), (0, LAST, Fixed(4)), (3, LAST, Fixed(10))] };
const FIND_COORDINATOR: Message = Message {
    flexible: 3,
    fields: &[(0, 3, Text), (1, LAST, Fixed(1)), (4, LAST, Plain(&[(0, LAST, Text)]))],
};

/// Why a request must not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It ends in the middle of a field.
    #[error("it ends early")]
    Short,
    /// A length below zero.
    #[error("a length is negative")]
    Negative,
    /// More entries than bytes, or than [`MAX_ITEMS`].
    #[error("a list promises more entries than it can hold, or more than {MAX_ITEMS}")]
    TooMany,
    /// Not one of the requests served.
    #[error("it is not served")]
    NotServed,
}

/// Walks the body of a request (what follows its header).
///
/// # Errors
/// The body cannot be a request of this kind, or decoding it would allocate without measure.
pub fn check(api: ApiKey, version: i16, body: &[u8]) -> Result<(), Unsound> {
    let message = match api {
        ApiKey::Produce => &PRODUCE,
        ApiKey::Fetch => &FETCH,
        ApiKey::ListOffsets => &LIST_OFFSETS,
        ApiKey::Metadata => &METADATA,
        ApiKey::ApiVersions => &API_VERSIONS,
        ApiKey::CreateTopics => &CREATE_TOPICS,
        ApiKey::InitProducerId => &INIT_PRODUCER_ID,
        ApiKey::FindCoordinator => &FIND_COORDINATOR,
        _ => return Err(Unsound::NotServed),
    };
    let mut walk = Walk { rest: body, version, flexible: version >= message.flexible, items: 0 };
    walk.fields(message.fields, true)
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    items: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field], tagged: bool) -> Result<(), Unsound> {
        for (from, to, shape) in fields {
            if !(*from..=*to).contains(&self.version) {
                continue;
            }
            match shape {
                Fixed(bytes) => self.skip(*bytes)?,
                Text => {
                    let length = if self.flexible { self.compact()? } else { self.length16()? };
                    self.skip(length)?;
                }
                Blob => {
                    let length = if self.flexible { self.compact()? } else { self.length32()? };
                    self.skip(length)?;
                }
                List(fields) => self.entries(fields, true)?,
                Plain(fields) => self.entries(fields, false)?,
            }
        }
        if tagged && self.flexible {
            for _ in 0..self.varint()? {
                self.varint()?;
                let length = self.varint()?;
                self.skip(length as usize)?;
            }
        }
        Ok(())
    }

    fn entries(&mut self, fields: &[Field], tagged: bool) -> Result<(), Unsound> {
        let count = if self.flexible { self.compact()? } else { self.length32()? };
        self.items += count;
        // Every entry takes a byte at least.
        if count > self.rest.len() || self.items > MAX_ITEMS {
            return Err(Unsound::TooMany);
        }
        (0..count).try_for_each(|_| self.fields(fields, tagged))
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Unsound> {
        self.rest = self.rest.get(bytes..).ok_or(Unsound::Short)?;
        Ok(())
    }

    /// A length whose -1 means null.
    fn length16(&mut self) -> Result<usize, Unsound> {
        not_negative(self.rest.try_get_i16().map_err(|_| Unsound::Short)?.into())
    }

    fn length32(&mut self) -> Result<usize, Unsound> {
        not_negative(self.rest.try_get_i32().map_err(|_| Unsound::Short)?)
    }

    /// A length plus one, whose 0 means null.
    fn compact(&mut self) -> Result<usize, Unsound> {
        Ok((self.varint()? as usize).saturating_sub(1))
    }

    /// Seven bits per byte, lowest first, at most five bytes: exactly as the decoder reads it.
    fn varint(&mut self) -> Result<u32, Unsound> {
        let mut value = 0;
        for at in 0..5 {
            let byte = u32::from(self.rest.try_get_u8().map_err(|_| Unsound::Short)?);
            value |= (byte & 0x7f) << (at * 7);
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }
}

fn not_negative(length: i32) -> Result<usize, Unsound> {
    match length {
        -1 => Ok(0),
        length => usize::try_from(length).map_err(|_| Unsound::Negative),
    }
}

#[cfg(test)]
mod tests;
