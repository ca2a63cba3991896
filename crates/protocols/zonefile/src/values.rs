//! Single values: what they look like in a file, and their bytes.

use data_encoding::{BASE32HEX_NOPAD, HEXLOWER_PERMISSIVE};
use hickory_proto::rr::Name;
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};
use time::{Date, Month};

pub(crate) fn write_name(name: &Name, wire: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_name_encoding(NameEncoding::Uncompressed);
    // A name that was read is no longer than names may be, which is the only thing that can go wrong.
    if name.emit(&mut encoder).is_ok() {
        wire.extend(bytes);
    }
}

/// Windows of 256 types, each with as many bytes of bits as it needs (RFC 4034 §4.1.2).
pub(crate) fn bitmap(mut types: Vec<u16>) -> Vec<u8> {
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
pub(crate) fn moment(word: &str) -> Option<u32> {
    if !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if word.len() != 14 {
        return word.parse().ok();
    }
    let part = |from: usize, to: usize| word[from..to].parse::<u8>().ok();
    let (month, day) = (Month::try_from(part(4, 6)?).ok()?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let date = Date::from_calendar_date(word[..4].parse().ok()?, month, day).ok()?;
    // 60 is a leap second, which the clock of a computer does not have.
    if date.year() < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let midnight = date.midnight().assume_utc().unix_timestamp();
    let seconds = midnight + (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
    u32::try_from(seconds.rem_euclid(1 << 32)).ok()
}

pub(crate) fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(digits).ok()
}

/// With the extended hex alphabet, without padding, in whatever case (RFC 4648 §7).
pub(crate) fn base32(word: &str) -> Option<Vec<u8>> {
    BASE32HEX_NOPAD.decode(word.to_ascii_uppercase().as_bytes()).ok().filter(|bytes| !bytes.is_empty())
}
