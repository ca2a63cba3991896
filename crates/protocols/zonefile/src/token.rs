//! What a token says: the same characters are a number in one field and a name in another.

use std::str::FromStr;

use hickory_proto::rr::{Name, RecordType};

use crate::error::Problem;
use crate::types;

/// The longest name and the longest label, in bytes on the wire (RFC 1035 §2.3.4).
const NAME: usize = 255;
const LABEL: usize = 63;

/// A word or a quoted string.
#[derive(Debug)]
pub(crate) struct Token {
    /// Where it begins.
    pub(crate) line: usize,
    /// Was it in quotes? They are not part of `raw`.
    pub(crate) quoted: bool,
    /// As written, escapes included.
    pub(crate) raw: Vec<u8>,
}

impl Token {
    /// Says that it is not what was expected here.
    pub(crate) fn expected(&self, what: &str) -> Problem {
        let shown: String = String::from_utf8_lossy(&self.raw).chars().take(60).collect();
        Problem { line: self.line, text: format!("{shown:?}: expected {what}") }
    }

    /// Is it exactly this word, unquoted, in whatever case?
    pub(crate) fn is(&self, word: &str) -> bool {
        !self.quoted && self.raw.eq_ignore_ascii_case(word.as_bytes())
    }

    /// Its characters, if it is a plain word.
    pub(crate) fn word(&self) -> Option<&str> {
        std::str::from_utf8(&self.raw).ok().filter(|text| !self.quoted && text.is_ascii())
    }

    /// An unsigned number in decimal digits.
    pub(crate) fn number<T: FromStr>(&self, what: &str) -> Result<T, Problem> {
        let digits = self.word().filter(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|word| word.parse().ok()).ok_or_else(|| self.expected(what))
    }

    /// A time in seconds: digits, or digits with units (1w2d3h4m5s), which are no standard but common.
    pub(crate) fn seconds(&self) -> Option<u32> {
        let (mut total, mut number) = (0_u32, None::<u32>);
        for byte in self.word()?.bytes() {
            let unit = match byte.to_ascii_lowercase() {
                digit @ b'0'..=b'9' => {
                    number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u32::from(digit - b'0'))?);
                    continue;
                }
                b's' => 1,
                b'm' => 60,
                b'h' => 3_600,
                b'd' => 86_400,
                b'w' => 604_800,
                _ => return None,
            };
            total = total.checked_add(number.take()?.checked_mul(unit)?)?;
        }
        // A number without a unit is seconds, alone or as the last.
        match (number, self.raw.last()?.is_ascii_digit()) {
            (Some(number), true) => total.checked_add(number),
            _ => Some(total),
        }
    }

    /// The mnemonic of a type, or TYPE and its number (RFC 3597 §5).
    pub(crate) fn record_type(&self) -> Result<RecordType, Problem> {
        let word = self.word().map(str::to_ascii_uppercase).unwrap_or_default();
        let number =
            word.strip_prefix("TYPE").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let code = number.and_then(|digits| digits.parse().ok()).or_else(|| types::code_of(&word));
        code.map(RecordType::from).ok_or_else(|| {
            self.expected("a record type such as A, MX or TXT (any other as TYPE and its number, RFC 3597)")
        })
    }

    /// The bytes that a string stands for.
    pub(crate) fn string(&self) -> Result<Vec<u8>, Problem> {
        unescape(&self.raw, |byte, escaped| match byte {
            b'"' if !escaped => Err("a string that is in quotes as a whole, or not at all"),
            _ => Ok(byte),
        })
        .map_err(|what| self.expected(what))
    }

    /// A domain name: complete when it ends in a dot, otherwise continued by `origin`; "@" is the origin
    /// itself.
    pub(crate) fn name(&self, origin: &Name) -> Result<Name, Problem> {
        if self.quoted {
            return Err(self.expected("a name, without quotes"));
        }
        if self.raw == b"@" {
            return Ok(origin.clone());
        }
        if self.raw == b"." {
            return Ok(Name::root());
        }
        let (mut labels, mut label) = (Vec::new(), Vec::new());
        unescape(&self.raw, |byte, escaped| {
            if byte == b'.' && !escaped {
                if label.is_empty() {
                    return Err("a name without empty labels");
                }
                labels.push(std::mem::take(&mut label));
            } else if byte >= 0x80 && !escaped {
                return Err("a name of ASCII characters (others as A-labels, RFC 5890, or as \\DDD)");
            } else {
                label.push(byte);
            }
            Ok(byte)
        })
        .map_err(|what| self.expected(what))?;
        if !label.is_empty() {
            labels.push(label);
            labels.extend(origin.iter().map(<[u8]>::to_vec));
        }
        if labels.iter().any(|label| label.len() > LABEL) {
            return Err(self.expected("labels of at most 63 bytes (RFC 1035 §2.3.4)"));
        }
        if labels.iter().map(|label| label.len() + 1).sum::<usize>() + 1 > NAME {
            return Err(self.expected("a name of at most 255 bytes with its origin (RFC 1035 §2.3.4)"));
        }
        Name::from_labels(labels.iter().map(Vec::as_slice)).map_err(|error| self.expected(&error.to_string()))
    }
}

/// Resolves escapes: `\DDD` is the byte of that decimal value, `\X` is X (RFC 1035 §5.1). `each` sees every
/// byte and whether it was escaped.
pub(crate) fn unescape(
    raw: &[u8],
    mut each: impl FnMut(u8, bool) -> Result<u8, &'static str>,
) -> Result<Vec<u8>, &'static str> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, escaped, after) = match (byte, after) {
            (b'\\', digits) if digits.first().is_some_and(u8::is_ascii_digit) => {
                let value = digits.first_chunk::<3>().filter(|digits| digits.iter().all(u8::is_ascii_digit));
                let value = value.map(|[a, b, c]| {
                    u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0')
                });
                let value = value.and_then(|value| u8::try_from(value).ok());
                (value.ok_or("\\ and three digits up to 255, or \\ and a character")?, true, &after[3..])
            }
            (b'\\', [next, after @ ..]) => (*next, true, after),
            (b'\\', []) => return Err("a character after \\"),
            (byte, after) => (byte, false, after),
        };
        bytes.push(each(byte, escaped)?);
        rest = after;
    }
    Ok(bytes)
}
