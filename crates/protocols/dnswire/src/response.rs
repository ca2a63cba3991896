//! A response, written from records whose bytes are there already.

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Record, RecordType};

use crate::message::{HEADER, LARGEST_DATAGRAM};
use crate::plain::PlainQuery;
use crate::wire_name::{data_to_wire, end_of_name, parent, to_wire};

/// The first two bits of what stands for the rest of a name: the place in the message where it is (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;
/// The question's name, which begins behind the header.
const QUESTION_NAME: [u8; 2] = (POINTER | HEADER as u16).to_be_bytes();
/// How many places where a name begins are remembered for pointers to them. Names that come later are still written,
/// only longer.
const PLACES: usize = 64;
/// Our OPT record but for the flag DO (RFC 6891 §6.1.2).
const OPT: [u8; 11] =
    [0, 0, 41, LARGEST_DATAGRAM.to_be_bytes()[0], LARGEST_DATAGRAM.to_be_bytes()[1], 0, 0, 0, 0, 0, 0];

/// A section of the message, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    /// What was asked for.
    Answers,
    /// Who knows, or until when there is nothing to know.
    Authorities,
    /// What helps with the others.
    Additionals,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub enum Owner<'a> {
    /// The question's name.
    Question,
    /// An uncompressed name.
    Name(&'a [u8]),
}

/// A response that is being written, record by record.
pub struct ResponseWriter<'q, 'm> {
    query: PlainQuery<'q>,
    message: &'m mut Vec<u8>,
    /// Where labels begin that a pointer may lead to.
    places: [u16; PLACES],
    known: usize,
    /// Where the additional section begins.
    additional: Option<usize>,
}

impl<'q, 'm> ResponseWriter<'q, 'm> {
    /// Begins it in an empty buffer: NOERROR, the question, no records.
    pub fn to(query: PlainQuery<'q>, message: &'m mut Vec<u8>) -> Self {
        query.begin_response(message);
        ResponseWriter { query, message, places: [0; PLACES], known: 0, additional: None }
    }

    /// AA: this server answers for the name.
    pub fn authoritative(&mut self, authoritative: bool) {
        self.message[2] = self.message[2] & !0x04 | if authoritative { 0x04 } else { 0 };
    }

    /// RA: this server finds out what it does not know.
    pub fn recursion_available(&mut self) {
        self.message[3] |= 0x80;
    }

    /// Adds a record that is not in wire form yet; `None` if it has none.
    pub fn add_record(&mut self, section: Section, record: &Record) -> Option<()> {
        let (owner, data) = (to_wire(&record.name), data_to_wire(&record.data)?);
        let is_question = owner.eq_ignore_ascii_case(self.query.name());
        let owner = if is_question { Owner::Question } else { Owner::Name(&owner) };
        self.add(section, owner, record.record_type(), record.ttl, &data);
        Some(())
    }

    /// Adds a record. Its data is in wire form without compression; names in it are compressed where every reader
    /// expects that (RFC 3597 §4).
    pub fn add(&mut self, section: Section, owner: Owner<'_>, kind: RecordType, ttl: u32, data: &[u8]) {
        if section == Section::Additionals {
            self.additional.get_or_insert(self.message.len());
        }
        match owner {
            Owner::Question if self.query.name() == [0] => self.message.push(0),
            Owner::Question => self.message.extend_from_slice(&QUESTION_NAME),
            Owner::Name(name) => self.name(name),
        }
        let [high, low] = u16::from(kind).to_be_bytes();
        let [a, b, c, d] = ttl.to_be_bytes();
        self.message.extend_from_slice(&[high, low, 0, 1, a, b, c, d, 0, 0]);
        let begin = self.message.len();
        // How many bytes stand before the names of the data, and how many names there are (RFC 1035 §3.3).
        let (before, names) = match kind {
            RecordType::NS | RecordType::CNAME | RecordType::PTR => (0, 1),
            RecordType::MX => (2, 1),
            RecordType::SOA => (0, 2),
            _ => (data.len(), 0),
        };
        let mut at = before.min(data.len());
        self.message.extend_from_slice(&data[..at]);
        for _ in 0..names {
            let Some(end) = end_of_name(data, at) else { break };
            self.name(&data[at..end]);
            at = end;
        }
        self.message.extend_from_slice(&data[at..]);
        let length = u16::try_from(self.message.len() - begin).unwrap_or(u16::MAX);
        self.message[begin - 2..begin].copy_from_slice(&length.to_be_bytes());
        self.count(HEADER - 6 + 2 * section as usize, 1);
    }

    /// Ends it, with this code and in at most `limit` bytes.
    ///
    /// When room is short the additional section goes first, unless it is needed to go on. What then does not fit is
    /// left out whole and TC is set, so that the client repeats the query over TCP. Half a set of records is worth
    /// nothing: a client must not use it (RFC 2181 §9).
    pub fn finish(mut self, code: ResponseCode, limit: usize, needs_additional: bool) {
        self.message[3] |= code.low();
        let edns = self.query.edns();
        let limit = limit - if edns.is_some() { OPT.len() } else { 0 };
        if let Some(additional) = self.additional.filter(|_| !needs_additional && self.message.len() > limit)
        {
            self.message.truncate(additional);
            self.message[HEADER - 2..HEADER].fill(0);
        }
        if self.message.len() > limit {
            self.message.truncate(HEADER + self.query.question().len());
            self.message[HEADER - 6..HEADER].fill(0);
            self.message[2] |= 0x02;
        }
        if let Some(dnssec_ok) = edns {
            let mut opt = OPT;
            opt[7] = u8::from(dnssec_ok) << 7;
            self.message.extend_from_slice(&opt);
            self.count(HEADER - 2, 1);
        }
    }

    /// Adds to one of the header's counts.
    fn count(&mut self, at: usize, more: u16) {
        let count = u16::from_be_bytes([self.message[at], self.message[at + 1]]);
        self.message[at..at + 2].copy_from_slice(&count.saturating_add(more).to_be_bytes());
    }

    /// Writes a name: as many labels as are nowhere in the message yet, then a pointer to the others.
    fn name(&mut self, name: &[u8]) {
        if self.known == 0 {
            self.remember(HEADER, self.query.name());
        }
        let (mut rest, begin) = (name, self.message.len());
        let place = loop {
            if rest == [0] {
                break None;
            }
            let places = &self.places[..self.known];
            if let Some(place) = places.iter().find(|place| self.stands_at(usize::from(**place), rest)) {
                break Some(*place);
            }
            let Some(above) = parent(rest) else { break None };
            rest = above;
        };
        let written = &name[..name.len() - rest.len()];
        self.message.extend_from_slice(written);
        match place {
            Some(place) => self.message.extend_from_slice(&(POINTER | place).to_be_bytes()),
            None => self.message.extend_from_slice(rest),
        }
        self.remember(begin, written);
    }

    /// Notes where the labels of a name, or of its beginning, are that was written at `at`.
    fn remember(&mut self, at: usize, mut labels: &[u8]) {
        let mut at = at;
        while let Some(length) =
            labels.first().map(|length| usize::from(*length)).filter(|length| *length > 0)
        {
            // A pointer has 14 bits.
            let Some(place) = u16::try_from(at).ok().filter(|place| *place < !POINTER) else { return };
            let Some(next) = self.places.get_mut(self.known) else { return };
            *next = place;
            self.known += 1;
            at += 1 + length;
            labels = labels.get(1 + length..).unwrap_or_default();
        }
    }

    /// Does this name, in whatever case, stand at that place of the message?
    fn stands_at(&self, mut at: usize, mut name: &[u8]) -> bool {
        loop {
            let length = self.message[at];
            if u16::from(length) >= POINTER >> 8 {
                at = usize::from(u16::from_be_bytes([length, self.message[at + 1]]) & !POINTER);
                continue;
            }
            let label = 1 + usize::from(length);
            let same = name.get(..label).is_some_and(|theirs| {
                theirs.eq_ignore_ascii_case(&self.message[at..(at + label).min(self.message.len())])
            });
            if !same || length == 0 {
                return same;
            }
            (at, name) = (at + label, &name[label..]);
        }
    }
}

#[cfg(test)]
mod tests;
