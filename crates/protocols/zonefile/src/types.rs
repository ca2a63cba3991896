//! The data of each type: which fields it has, how each is written in a file, and on the wire.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hickory_proto::rr::{Name, RecordType};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};

use crate::token::Token;
use crate::{Problem, service};

/// One field of record data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Number8,
    Number16,
    Number32,
    /// Seconds, also with units, in 32 bits.
    Seconds,
    Ipv4,
    Ipv6,
    Name,
    /// A string of at most 255 bytes, its length before it (RFC 1035 §3.3).
    Text,
    /// One or more of those.
    Texts,
    /// A string up to the end of the data.
    Bytes,
    /// The mnemonic of a record type, in 16 bits.
    Type,
    /// A DNSSEC algorithm, by number or mnemonic (RFC 4034 §A.1), in 8 bits.
    Algorithm,
    /// A certificate's type (RFC 4398 §2.1), in 16 bits.
    Certificate,
    /// A moment: YYYYMMDDHHmmSS or seconds since 1970 (RFC 4034 §3.2), in 32 bits.
    Moment,
    /// Hexadecimal digits up to the end, with or without blanks.
    Hex,
    /// Base 64 up to the end, with or without blanks.
    Base64,
    /// NSEC3's salt: hexadecimal digits or "-", its length before it (RFC 5155 §3.3).
    Salt,
    /// NSEC3's next hash: base 32 with the extended hex alphabet, its length before it (RFC 5155 §3.3).
    Base32,
    /// Record types up to the end, as windows of bits (RFC 4034 §4.1.2).
    Types,
    /// Bytes in hexadecimal, this many, with "-" between them (RFC 7043).
    Eui(u8),
    /// The parameters of a service up to the end (RFC 9460 §2.1).
    Parameters,
}

use Field::{
    Algorithm, Base32, Base64, Bytes, Certificate, Eui, Hex, Ipv4, Ipv6, Moment, Number8, Number16, Number32,
    Parameters, Salt, Seconds, Text, Texts, Type, Types,
};

const KEY: &[Field] = &[Number16, Number8, Algorithm, Base64];
const DIGEST: &[Field] = &[Number16, Algorithm, Number8, Hex];
const ASSOCIATION: &[Field] = &[Number8, Number8, Number8, Hex];
const ONE_NAME: &[Field] = &[Field::Name];
const PREFERENCE: &[Field] = &[Number16, Field::Name];
const SERVICE: &[Field] = &[Number16, Field::Name, Parameters];

/// Mnemonic, number and fields, by number. A type without fields here can be written in the form of RFC 3597.
const TYPES: &[(&str, u16, &[Field])] = &[
    ("A", 1, &[Ipv4]),
    ("NS", 2, ONE_NAME),
    ("MD", 3, ONE_NAME),
    ("MF", 4, ONE_NAME),
    ("CNAME", 5, ONE_NAME),
    ("SOA", 6, &[Field::Name, Field::Name, Number32, Seconds, Seconds, Seconds, Seconds]), // RFC 1035 §3.3.13
    ("MB", 7, ONE_NAME),
    ("MG", 8, ONE_NAME),
    ("MR", 9, ONE_NAME),
    ("NULL", 10, &[]),
    ("WKS", 11, &[]),
    ("PTR", 12, ONE_NAME),
    ("HINFO", 13, &[Text, Text]),
    ("MINFO", 14, &[Field::Name, Field::Name]),
    ("MX", 15, PREFERENCE),
    ("TXT", 16, &[Texts]),
    ("RP", 17, &[Field::Name, Field::Name]), // RFC 1183
    ("AFSDB", 18, PREFERENCE),
    ("X25", 19, &[Text]),
    ("ISDN", 20, &[Texts]),
    ("RT", 21, PREFERENCE),
    ("NSAP", 22, &[]),
    ("SIG", 24, &[Type, Algorithm, Number8, Seconds, Moment, Moment, Number16, Field::Name, Base64]),
    ("KEY", 25, KEY),
    ("PX", 26, &[Number16, Field::Name, Field::Name]),
    ("AAAA", 28, &[Ipv6]), // RFC 3596
    ("LOC", 29, &[]),
    ("SRV", 33, &[Number16, Number16, Number16, Field::Name]), // RFC 2782
    ("NAPTR", 35, &[Number16, Number16, Text, Text, Text, Field::Name]), // RFC 3403
    ("KX", 36, PREFERENCE),
    ("CERT", 37, &[Certificate, Number16, Algorithm, Base64]), // RFC 4398
    ("DNAME", 39, ONE_NAME),                                   // RFC 6672
    ("APL", 42, &[]),
    ("DS", 43, DIGEST),                      // RFC 4034 §5
    ("SSHFP", 44, &[Number8, Number8, Hex]), // RFC 4255
    ("IPSECKEY", 45, &[]),
    ("RRSIG", 46, &[Type, Algorithm, Number8, Seconds, Moment, Moment, Number16, Field::Name, Base64]), // RFC 4034 §3
    ("NSEC", 47, &[Field::Name, Types]), // RFC 4034 §4
    ("DNSKEY", 48, KEY),                 // RFC 4034 §2
    ("DHCID", 49, &[Base64]),
    ("NSEC3", 50, &[Number8, Number8, Number16, Salt, Base32, Types]), // RFC 5155
    ("NSEC3PARAM", 51, &[Number8, Number8, Number16, Salt]),
    ("TLSA", 52, ASSOCIATION), // RFC 6698
    ("SMIMEA", 53, ASSOCIATION),
    ("HIP", 55, &[]),
    ("CDS", 59, DIGEST),
    ("CDNSKEY", 60, KEY),
    ("OPENPGPKEY", 61, &[Base64]),
    ("CSYNC", 62, &[Number32, Number16, Types]),
    ("ZONEMD", 63, &[Number32, Number8, Number8, Hex]),
    ("SVCB", 64, SERVICE), // RFC 9460
    ("HTTPS", 65, SERVICE),
    ("SPF", 99, &[Texts]),
    ("NID", 104, &[]),
    ("L32", 105, &[Number16, Ipv4]),
    ("L64", 106, &[]),
    ("LP", 107, PREFERENCE),
    ("EUI48", 108, &[Eui(6)]),
    ("EUI64", 109, &[Eui(8)]),
    ("URI", 256, &[Number16, Number16, Bytes]), // RFC 7553
    ("CAA", 257, &[Number8, Text, Bytes]),      // RFC 8659
    ("AVC", 258, &[Texts]),
    ("DLV", 32769, DIGEST),
];

/// The number of a type's mnemonic, in capitals.
pub(crate) fn code_of(mnemonic: &str) -> Option<u16> {
    TYPES.iter().find(|(name, ..)| *name == mnemonic).map(|(_, code, _)| *code)
}

/// Does the type exist in questions and messages only (RFC 6895 §3.1)?
pub(crate) fn is_meta(kind: RecordType) -> bool {
    matches!(u16::from(kind), 0 | 41 | 128..=255)
}

/// The wire form of the data that `tokens` describe; `end` is the line on which they end.
pub(crate) fn encode(
    kind: RecordType,
    tokens: &[Token],
    end: usize,
    origin: &Name,
) -> Result<Vec<u8>, Problem> {
    let fields =
        TYPES.iter().find(|(_, code, _)| *code == u16::from(kind)).map_or(&[][..], |(.., fields)| *fields);
    let mut data = Data { tokens, end, origin, wire: Vec::new() };
    if tokens.first().is_some_and(|first| first.is("\\#")) {
        data.opaque()?;
        if !fits(fields, &data.wire) {
            let text = format!("the bytes after \\# are not the data of a {kind} record");
            return Err(Problem { line: end, text });
        }
        return Ok(data.wire);
    }
    if fields.is_empty() {
        let text = format!("{kind}: expected its data as \\# LENGTH HEXADECIMAL (RFC 3597 §5)");
        return Err(Problem { line: end, text });
    }
    for field in fields {
        data.field(*field)?;
    }
    if let Some(more) = data.tokens.first() {
        return Err(more.expected("the end of the line"));
    }
    match u16::try_from(data.wire.len()) {
        Ok(_) => Ok(data.wire),
        Err(_) => Err(Problem { line: end, text: "the data is longer than 65535 bytes".to_owned() }),
    }
}

/// Data being written: what is left of the tokens, and the wire form so far.
struct Data<'a> {
    tokens: &'a [Token],
    end: usize,
    origin: &'a Name,
    wire: Vec<u8>,
}

impl<'a> Data<'a> {
    fn next(&mut self, what: &str) -> Result<&'a Token, Problem> {
        let (first, rest) = self.tokens.split_first().ok_or_else(|| self.too_short(what))?;
        self.tokens = rest;
        Ok(first)
    }

    fn too_short(&self, what: &str) -> Problem {
        Problem { line: self.end, text: format!("the line ends too soon: expected {what}") }
    }

    fn field(&mut self, field: Field) -> Result<(), Problem> {
        match field {
            Number8 => {
                let what = "a number from 0 to 255";
                let number: u8 = self.next(what)?.number(what)?;
                self.wire.push(number);
            }
            Number16 => {
                let what = "a number from 0 to 65535";
                let number: u16 = self.next(what)?.number(what)?;
                self.wire.extend(number.to_be_bytes());
            }
            Number32 => {
                let what = "a number from 0 to 4294967295";
                let number: u32 = self.next(what)?.number(what)?;
                self.wire.extend(number.to_be_bytes());
            }
            Seconds => {
                let what = "a time in seconds, or with units as in 1h30m";
                let token = self.next(what)?;
                self.wire.extend(token.seconds().ok_or_else(|| token.expected(what))?.to_be_bytes());
            }
            Ipv4 => {
                let what = "an IPv4 address such as 192.0.2.1";
                let address: Ipv4Addr = self.parsed(what)?;
                self.wire.extend(address.octets());
            }
            Ipv6 => {
                let what = "an IPv6 address such as 2001:db8::1";
                let address: Ipv6Addr = self.parsed(what)?;
                self.wire.extend(address.octets());
            }
            Field::Name => {
                let name = self.next("a name")?.name(self.origin)?;
                write_name(&name, &mut self.wire);
            }
            Text => self.text()?,
            Texts => {
                self.text()?;
                while !self.tokens.is_empty() {
                    self.text()?;
                }
            }
            Bytes => {
                let bytes = self.next("a string")?.string()?;
                self.wire.extend(bytes);
            }
            Type => {
                let kind = self.next("a record type")?.record_type()?;
                self.wire.extend(u16::from(kind).to_be_bytes());
            }
            Algorithm => {
                let what = "a DNSSEC algorithm: its number, or its mnemonic such as ECDSAP256SHA256";
                let number = self.number_or(ALGORITHMS, what)?;
                self.wire.push(number);
            }
            Certificate => {
                let what = "a certificate type: its number, or its mnemonic such as PKIX";
                let number: u16 = self.number_or(CERTIFICATES, what)?;
                self.wire.extend(number.to_be_bytes());
            }
            Moment => {
                let what = "a time as YYYYMMDDHHmmSS, or in seconds since 1970";
                let token = self.next(what)?;
                let moment = token.word().and_then(moment).ok_or_else(|| token.expected(what))?;
                self.wire.extend(moment.to_be_bytes());
            }
            Hex => {
                let bytes = self.joined("hexadecimal digits, two for each byte", hex)?;
                self.wire.extend(bytes);
            }
            Base64 => {
                let bytes = self.joined("base 64", |text| BASE64.decode(text).ok())?;
                self.wire.extend(bytes);
            }
            Salt => {
                let what = "a salt in hexadecimal, at most 255 bytes, or \"-\"";
                let salt =
                    self.one(what, |word| if word == "-" { Some(Vec::new()) } else { hex(word.as_bytes()) })?;
                self.counted(&salt);
            }
            Base32 => {
                let hash = self.one("a hash in base 32 (extended hex alphabet)", base32)?;
                self.counted(&hash);
            }
            Types => {
                let kinds = self.tokens.iter().map(Token::record_type).collect::<Result<Vec<_>, _>>()?;
                self.tokens = &[];
                self.wire.extend(bitmap(kinds.into_iter().map(u16::from).collect()));
            }
            Eui(length) => {
                let what = "bytes in hexadecimal with \"-\" between them, such as 00-00-5e-00-53-2a";
                let parse = |word: &str| {
                    let bytes =
                        word.split('-').map(|byte| hex(byte.as_bytes()).filter(|byte| byte.len() == 1));
                    bytes.collect::<Option<Vec<_>>>().map(|bytes| bytes.concat())
                };
                let bytes =
                    self.one(what, |word| parse(word).filter(|bytes| bytes.len() == usize::from(length)))?;
                self.wire.extend(bytes);
            }
            Parameters => {
                self.wire.extend(service::parameters(self.tokens)?);
                self.tokens = &[];
            }
        }
        Ok(())
    }

    /// One word, read by `parse`; at most 255 bytes come of it.
    fn one(&mut self, what: &str, parse: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<u8>, Problem> {
        let token = self.next(what)?;
        let bytes = token.word().and_then(parse).filter(|bytes| bytes.len() <= 255);
        bytes.ok_or_else(|| token.expected(what))
    }

    fn parsed<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, Problem> {
        let token = self.next(what)?;
        token.word().and_then(|word| word.parse().ok()).ok_or_else(|| token.expected(what))
    }

    fn number_or<T: std::str::FromStr + TryFrom<u16>>(
        &mut self,
        known: &[(&str, u16)],
        what: &str,
    ) -> Result<T, Problem> {
        let token = self.next(what)?;
        let known =
            known.iter().find(|(name, _)| token.is(name)).and_then(|(_, number)| T::try_from(*number).ok());
        known.map_or_else(|| token.number(what), Ok)
    }

    /// All that is left, put together.
    fn joined(&mut self, what: &str, parse: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Result<Vec<u8>, Problem> {
        let first = self.tokens.first().ok_or_else(|| self.too_short(what))?;
        let all: Vec<u8> = self.tokens.iter().flat_map(|token| token.raw.iter().copied()).collect();
        self.tokens = &[];
        parse(&all).ok_or_else(|| first.expected(what))
    }

    fn text(&mut self) -> Result<(), Problem> {
        let token = self.next("a string")?;
        let text = token.string()?;
        if text.len() > 255 {
            return Err(token.expected("a string of at most 255 bytes: split it (RFC 1035 §3.3)"));
        }
        self.counted(&text);
        Ok(())
    }

    /// Writes bytes, at most 255, with their count before them.
    fn counted(&mut self, bytes: &[u8]) {
        self.wire.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
        self.wire.extend(bytes);
    }

    /// `\# LENGTH HEXADECIMAL` (RFC 3597 §5).
    fn opaque(&mut self) -> Result<(), Problem> {
        self.next("\\#")?;
        let what = "the length of the data in bytes";
        let token = self.next(what)?;
        let length: u16 = token.number(what)?;
        if length > 0 || !self.tokens.is_empty() {
            self.wire = self.joined("hexadecimal digits, two for each byte", hex)?;
        }
        if self.wire.len() != usize::from(length) {
            return Err(token.expected(&format!("{}, the length of the data that follows", self.wire.len())));
        }
        Ok(())
    }
}

/// Are these bytes what the fields say? Names must not be compressed (RFC 3597 §4).
fn fits(fields: &[Field], wire: &[u8]) -> bool {
    let mut rest = wire;
    fields.is_empty() || (fields.iter().all(|field| step(*field, &mut rest).is_some()) && rest.is_empty())
}

/// Steps over one field.
fn step(field: Field, rest: &mut &[u8]) -> Option<()> {
    let length = match field {
        Number8 | Algorithm => 1,
        Number16 | Type | Certificate => 2,
        Number32 | Seconds | Moment | Ipv4 => 4,
        Ipv6 => 16,
        Eui(length) => usize::from(length),
        Field::Name => {
            let mut at = 0;
            loop {
                match usize::from(*rest.get(at)?) {
                    0 => break,
                    length if length > 63 => return None,
                    length => at += 1 + length,
                }
            }
            Some(at + 1).filter(|length| *length <= 255)?
        }
        Text | Salt | Base32 => 1 + usize::from(*rest.first()?),
        Texts => {
            step(Text, rest)?;
            while !rest.is_empty() {
                step(Text, rest)?;
            }
            0
        }
        Parameters => {
            // Key, length, value; keys ascend (RFC 9460 §2.2).
            let mut before = None;
            while let Some((head, after)) = rest.split_first_chunk::<4>() {
                let key = Some(u16::from_be_bytes([head[0], head[1]]));
                *rest = after.get(usize::from(u16::from_be_bytes([head[2], head[3]]))..)?;
                if std::mem::replace(&mut before, key) >= key {
                    return None;
                }
            }
            0
        }
        Types => {
            let mut before = None;
            while let [window, length @ 1..=32, after @ ..] = *rest {
                *rest = after.get(usize::from(*length)..)?;
                if before.replace(*window) >= Some(*window) {
                    return None;
                }
            }
            0
        }
        Bytes | Hex | Base64 => rest.len(),
    };
    *rest = rest.get(length..)?;
    Some(())
}

pub(crate) fn write_name(name: &Name, wire: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    // A name that was read is no longer than names may be, which is the only thing that can go wrong.
    if name.emit(&mut encoder).is_ok() {
        wire.extend(bytes);
    }
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// RFC 4648 §7, without padding.
fn base32(word: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in word.bytes() {
        let digit = char::from(byte).to_digit(32)?;
        bits = (bits << 5 | digit) & 0xfff;
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    (!bytes.is_empty() && bits & ((1 << count) - 1) == 0).then_some(bytes)
}

/// Windows of 256 types, each with as many bytes of bits as it needs (RFC 4034 §4.1.2).
fn bitmap(mut types: Vec<u16>) -> Vec<u8> {
    types.sort_unstable();
    let mut wire = Vec::new();
    for window in types.chunk_by(|one, other| one >> 8 == other >> 8) {
        let mut bits = [0_u8; 32];
        for kind in window {
            bits[usize::from(kind & 0xff) / 8] |= 0x80 >> (kind % 8);
        }
        let length = bits.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let [number, _] = window[0].to_be_bytes();
        wire.extend([number, u8::try_from(length).unwrap_or(32)]);
        wire.extend(&bits[..length]);
    }
    wire
}

/// YYYYMMDDHHmmSS is fourteen digits; fewer are seconds since 1970 (RFC 4034 §3.2), modulo 2^32.
fn moment(word: &str) -> Option<u32> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if word.len() != 14 {
        return word.parse().ok();
    }
    let part = |from: usize, to: usize| word[from..to].parse::<i64>().ok();
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if year < 1970 || !(1..=length).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let months: i64 = lengths[..usize::try_from(month - 1).ok()?].iter().sum();
    let days = (year - 1970) * 365 + leap_days + months + day - 1;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    u32::try_from(seconds.rem_euclid(1 << 32)).ok()
}

/// IANA's registry "DNS Security Algorithm Numbers".
const ALGORITHMS: &[(&str, u16)] = &[
    ("RSAMD5", 1),
    ("DH", 2),
    ("DSA", 3),
    ("RSASHA1", 5),
    ("DSA-NSEC3-SHA1", 6),
    ("RSASHA1-NSEC3-SHA1", 7),
    ("RSASHA256", 8),
    ("RSASHA512", 10),
    ("ECC-GOST", 12),
    ("ECDSAP256SHA256", 13),
    ("ECDSAP384SHA384", 14),
    ("ED25519", 15),
    ("ED448", 16),
    ("INDIRECT", 252),
    ("PRIVATEDNS", 253),
    ("PRIVATEOID", 254),
];

/// RFC 4398 §2.1.
const CERTIFICATES: &[(&str, u16)] = &[
    ("PKIX", 1),
    ("SPKI", 2),
    ("PGP", 3),
    ("IPKIX", 4),
    ("ISPKI", 5),
    ("IPGP", 6),
    ("ACPKIX", 7),
    ("IACPKIX", 8),
    ("URI", 253),
    ("OID", 254),
];
