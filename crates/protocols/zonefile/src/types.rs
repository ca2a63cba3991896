//! The record types: which fields the data of each has.

use hickory_proto::rr::RecordType;

/// One field of record data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
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

/// Mnemonic, number and fields, by number.
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

/// The fields of a type's data; none for a type that can be written only in the form of RFC 3597.
pub(crate) fn fields(kind: RecordType) -> &'static [Field] {
    TYPES.iter().find(|(_, code, _)| *code == u16::from(kind)).map_or(&[], |(.., fields)| *fields)
}
