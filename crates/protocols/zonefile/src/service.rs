//! The parameters of SVCB and HTTPS records: KEY or KEY=VALUE (RFC 9460 §2.1).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::Problem;
use crate::token::{Token, unescape};

/// RFC 9460 §14.3.2; dohpath: RFC 9461; ohttp: RFC 9540.
const KEYS: [&str; 9] =
    ["mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp"];

/// The wire form: ascending by key, whatever the order in the file (§2.2).
pub(crate) fn parameters(tokens: &[Token]) -> Result<Vec<u8>, Problem> {
    let mut values = BTreeMap::new();
    for token in tokens {
        let split = token.raw.iter().position(|byte| *byte == b'=');
        let (key, raw) = match split {
            Some(at) => (&token.raw[..at], Some(&token.raw[at + 1..])),
            None => (token.raw.as_slice(), None),
        };
        let known =
            "a parameter such as alpn=h2, port=8443, or key and its number up to 65534 (RFC 9460 §2.1)";
        let key = number(key).filter(|_| !token.quoted).ok_or_else(|| token.expected(known))?;
        if values.insert(key.0, value(token, key, raw)?).is_some() {
            return Err(token.expected("each service parameter once (RFC 9460 §2.2)"));
        }
    }
    if let Some(listed) = values.get(&0) {
        let listed = listed.chunks(2).map(|key| u16::from_be_bytes([key[0], key[1]]));
        if let Some((missing, token)) =
            listed.filter(|key| !values.contains_key(key)).zip(tokens.first()).next()
        {
            let name = KEYS
                .get(usize::from(missing))
                .map_or_else(|| format!("key{missing}"), |key| (*key).to_owned());
            return Err(token.expected(&format!("the mandatory parameter {name} beside it (RFC 9460 §8)")));
        }
    }
    let mut wire = Vec::new();
    for (key, value) in values {
        wire.extend(key.to_be_bytes());
        // A line is as long as it likes, a value is not; the record's length is checked by the caller.
        wire.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        wire.extend(value);
    }
    Ok(wire)
}

/// A key's number, and whether it was written by its name.
fn number(key: &[u8]) -> Option<(u16, bool)> {
    let key = std::str::from_utf8(key).ok()?.to_ascii_lowercase();
    if let Some(number) = KEYS.iter().position(|known| *known == key) {
        return Some((u16::try_from(number).ok()?, true));
    }
    let digits = key.strip_prefix("key").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let canonical = digits.len() == 1 || !digits.starts_with('0');
    digits.parse().ok().filter(|number| canonical && *number != u16::MAX).map(|number| (number, false))
}

fn value(token: &Token, (key, by_name): (u16, bool), raw: Option<&[u8]>) -> Result<Vec<u8>, Problem> {
    let bare = match raw {
        Some([b'"', inner @ .., b'"']) => Some(inner),
        other => other,
    };
    let bytes =
        unescape(bare.unwrap_or_default(), |byte, _| Ok(byte)).map_err(|what| token.expected(what))?;
    let expected = |what: &str| token.expected(what);
    if !by_name && !(1..KEYS.len()).contains(&usize::from(key)) && key != 0 {
        return Ok(bytes);
    }
    let text = std::str::from_utf8(&bytes).ok();
    let list = || text.filter(|text| !text.is_empty()).map(|text| text.split(','));
    match key {
        0 => {
            let keys =
                list().and_then(|list| list.map(|key| number(key.as_bytes())).collect::<Option<Vec<_>>>());
            let mut keys: Vec<u16> = keys.unwrap_or_default().into_iter().map(|(key, _)| key).collect();
            keys.sort_unstable();
            if keys.is_empty() || keys[0] == 0 || keys.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(expected("other keys, each once, with commas between them (RFC 9460 §8)"));
            }
            Ok(keys.into_iter().flat_map(u16::to_be_bytes).collect())
        }
        1 => {
            protocols(&bytes).ok_or_else(|| expected("protocols of 1 to 255 bytes, with commas between them"))
        }
        2 | 8 if raw.is_none() => Ok(Vec::new()),
        2 | 8 => Err(expected("this parameter without a value (RFC 9460 §7.1.1, RFC 9540 §4)")),
        3 => {
            let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let port: Option<u16> = digits.and_then(|text| text.parse().ok());
            Ok(port.ok_or_else(|| expected("a port from 0 to 65535"))?.to_be_bytes().to_vec())
        }
        4 => addresses::<Ipv4Addr, 4>(list(), |address| address.octets())
            .ok_or_else(|| expected("IPv4 addresses with commas between them")),
        6 => addresses::<Ipv6Addr, 16>(list(), |address| address.octets())
            .ok_or_else(|| expected("IPv6 addresses with commas between them")),
        5 => BASE64.decode(&bytes).ok().filter(|ech| !ech.is_empty()).ok_or_else(|| expected("base 64")),
        _ if bytes.is_empty() => Err(expected("a value")),
        _ => Ok(bytes),
    }
}

/// A list whose items may hold commas and backslashes, each with a backslash before it (RFC 9460 §A.1).
fn protocols(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut items, mut escaped) = (vec![Vec::new()], false);
    for byte in bytes {
        match byte {
            b'\\' if !escaped => escaped = true,
            b',' if !escaped => items.push(Vec::new()),
            _ => {
                items.last_mut()?.push(*byte);
                escaped = false;
            }
        }
    }
    let mut wire = Vec::new();
    for item in items {
        wire.push(u8::try_from(item.len()).ok().filter(|length| *length > 0)?);
        wire.extend(item);
    }
    (!escaped).then_some(wire)
}

fn addresses<'a, A: std::str::FromStr, const LENGTH: usize>(
    list: Option<impl Iterator<Item = &'a str>>,
    octets: impl Fn(A) -> [u8; LENGTH],
) -> Option<Vec<u8>> {
    list?.map(|address| address.parse().ok().map(&octets)).collect::<Option<Vec<_>>>().map(|all| all.concat())
}
