//! Reading what clients write: integers as strictly as Redis does, and glob patterns.

use bytes::Bytes;

/// A signed integer exactly as Redis would print it: no plus sign, no leading zeros, no spaces.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        b"0" => text.len() == 1,
        [b'1'..=b'9', ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// Appends a number as text.
pub(crate) fn decimal(number: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(digits(number, &mut [0; 20]));
}

/// A number as text that lasts; [`integer`] reads it back.
pub(crate) fn number(number: i64) -> Bytes {
    let mut room = [0; 20];
    let length = digits(number.unsigned_abs(), &mut room).len();
    let begin = room.len() - length;
    if number >= 0 {
        return Bytes::copy_from_slice(&room[begin..]);
    }
    room[begin - 1] = b'-'; // the longest has 19 digits
    Bytes::copy_from_slice(&room[begin - 1..])
}

fn digits(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &room[at..];
        }
    }
}

/// An unsigned integer of decimal digits only.
pub(crate) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Does `text` match a pattern of `*`, `?`, `[a-z]`, `[^x]` and `\` escapes, as `KEYS` understands it?
///
/// A star that fails later is retried one byte further on, and only the last star: time is bounded by
/// pattern × text, whatever the pattern.
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut rest, mut at) = (pattern, 0);
    let mut retry: Option<(&[u8], usize)> = None;
    loop {
        if let Some(after) = rest.strip_prefix(b"*") {
            retry = Some((after, at));
            rest = after;
            continue;
        }
        let step = if at < text.len() { one(rest, text[at]) } else { None };
        match step {
            Some(after) => {
                rest = after;
                at += 1;
            }
            None if rest.is_empty() && at == text.len() => return true,
            None => match retry {
                Some((after, from)) if from < text.len() => {
                    retry = Some((after, from + 1));
                    rest = after;
                    at = from + 1;
                }
                _ => return false,
            },
        }
    }
}

/// Matches one byte against the head of the pattern and returns the rest of the pattern.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', escaped, rest @ ..] => (*escaped == byte).then_some(rest),
        [literal, rest @ ..] => (*literal == byte).then_some(rest),
    }
}

/// Matches a byte against the inside of `[...]`; a class that is never closed ends with the pattern.
fn class(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut rest) = match pattern {
        [b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut found = false;
    loop {
        rest = match rest {
            [] => break,
            [b']', after @ ..] => {
                rest = after;
                break;
            }
            [b'\\', escaped, after @ ..] => {
                found |= *escaped == byte;
                after
            }
            [low, b'-', high, after @ ..] => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                after
            }
            [literal, after @ ..] => {
                found |= *literal == byte;
                after
            }
        };
    }
    (found != negated).then_some(rest)
}
