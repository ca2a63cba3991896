//! Data that was given in bytes (RFC 3597 §5): is it what its type says?

use crate::types::Field::{
    self, Algorithm, Base32, Base64, Bytes, Certificate, Eui, Hex, Ipv4, Ipv6, Moment, Number8, Number16,
    Number32, Parameters, Salt, Seconds, Text, Texts, Type, Types,
};

/// Are these bytes what the fields say? Names must not be compressed (RFC 3597 §4).
pub(crate) fn fits(fields: &[Field], wire: &[u8]) -> bool {
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
