//! A query in the form that nearly all have, seen without decoding it.

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};

use crate::message::{CLASSIC_DATAGRAM, HEADER, LARGEST_DATAGRAM};
use crate::wire_name::{end_of_name, to_wire};

/// The bits of the header that a response repeats: RD in the third byte, CD in the fourth (RFC 1035 §4.1.1, RFC 4035 §3.1.6).
const RD: u8 = 0x01;
const CD: u8 = 0x10;
/// The OPT record of a query without options (RFC 6891 §6.1.2), and where in it the payload size, the version and the
/// flags are.
const OPT: usize = 11;
const DO: u8 = 0x80;

/// A standard query: one question, and nothing else but perhaps an OPT record of version 0 without options.
///
/// What looks otherwise is no plain query, whether it is wrong or only unusual: [`read`](crate::read) finds out.
#[derive(Clone, Copy, Debug)]
pub struct PlainQuery<'a> {
    bytes: &'a [u8],
    /// Where the question ends.
    end: usize,
}

impl<'a> PlainQuery<'a> {
    /// Looks at the bytes of a message.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        // Of the flags RD, AD and CD may be set; AD says that the client understands it (RFC 6840 §5.7).
        let flags = header[2] & !RD == 0 && header[3] & !(CD | 0x20) == 0;
        let extended = match header[4..] {
            [0, 1, 0, 0, 0, 0, 0, extended @ 0..=1] => extended == 1,
            _ => return None,
        };
        let end = end_of_name(bytes, HEADER)? + 4;
        let rest = bytes.get(end..)?;
        let fits = match rest.first_chunk::<OPT>() {
            // Of its flags the first may be set, DO (RFC 3225 §3).
            Some([0, 0, 41, _, _, 0, 0, flags, 0, 0, 0]) => extended && flags & !DO == 0 && rest.len() == OPT,
            _ => !extended && rest.is_empty(),
        };
        (flags && fits).then_some(PlainQuery { bytes, end })
    }

    /// The message id.
    pub fn id(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// Does the client leave the way to us (RD)?
    pub fn recursion_desired(&self) -> bool {
        self.bytes[2] & RD != 0
    }

    /// The question: name, type and class, as they are in the message.
    pub fn question(&self) -> &'a [u8] {
        &self.bytes[HEADER..self.end]
    }

    /// The question, decoded.
    pub fn decode_question(&self) -> Option<Query> {
        Query::read(&mut BinDecoder::new(self.question())).ok()
    }

    /// The name, as it was spelled.
    pub fn name(&self) -> &'a [u8] {
        &self.bytes[HEADER..self.end - 4]
    }

    /// The type of the records that are wanted.
    pub fn kind(&self) -> RecordType {
        RecordType::from(self.number(self.end - 4))
    }

    /// IN, or another that hardly anybody serves.
    pub fn class(&self) -> DNSClass {
        DNSClass::from(self.number(self.end - 2))
    }

    /// Does the client speak EDNS, and if so, does it want DNSSEC records (DO)?
    pub fn edns(&self) -> Option<bool> {
        self.bytes.get(self.end + 7).map(|flags| flags & DO != 0)
    }

    /// How large a response over UDP the sender can take, in bytes.
    pub fn datagram_limit(&self) -> usize {
        let theirs = if self.edns().is_some() { self.number(self.end + 3) } else { CLASSIC_DATAGRAM };
        usize::from(theirs.clamp(CLASSIC_DATAGRAM, LARGEST_DATAGRAM))
    }

    /// The header of a response without records and the question, as the beginning of a message.
    pub(crate) fn begin_response(&self, message: &mut Vec<u8>) {
        message.extend_from_slice(&[
            self.bytes[0],
            self.bytes[1],
            0x80 | self.bytes[2] & RD,
            self.bytes[3] & CD,
            0,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
        ]);
        message.extend_from_slice(self.question());
    }

    fn number(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }
}

/// What a query in an unusual form asks, in the plain one: what else is in the message has no bearing on the response.
pub fn plain(query: &Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    let flags = [u8::from(query.recursion_desired), if query.checking_disabled { CD } else { 0 }];
    bytes.extend(query.id.to_be_bytes());
    bytes.extend(flags);
    bytes.extend([0, 1, 0, 0, 0, 0, 0, u8::from(query.edns.is_some())]);
    if let Some(Query { name, query_type, query_class, .. }) = query.queries.first() {
        bytes.extend(to_wire(name));
        bytes.extend(u16::from(*query_type).to_be_bytes());
        bytes.extend(u16::from(*query_class).to_be_bytes());
    }
    if let Some(edns) = &query.edns {
        let [high, low] = edns.max_payload().to_be_bytes();
        bytes.extend([0, 0, 41, high, low, 0, 0, if edns.flags().dnssec_ok { DO } else { 0 }, 0, 0, 0]);
    }
    bytes
}
