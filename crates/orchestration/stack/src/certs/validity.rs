//! From when to when a certificate is valid (RFC 5280 §4.1.2.5).

use serde::Serialize;
use simple_asn1::{ASN1Block, from_der};

/// A certificate's validity, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// The first second.
    pub not_before: u64,
    /// The last second.
    pub not_after: u64,
}

impl Validity {
    /// Reads it from a certificate in DER.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let blocks = from_der(certificate).ok()?;
        let to_be_signed = sequence(sequence(blocks.first()?)?.first()?)?;
        // version [0], serialNumber, signature, issuer; then validity.
        let [not_before, not_after] = sequence(to_be_signed.get(4)?)? else { return None };
        Some(Validity { not_before: seconds(not_before)?, not_after: seconds(not_after)? })
    }

    /// Has it at least a third of its life left at `now`?
    pub(super) fn is_fresh(self, now: u64) -> bool {
        let life = self.not_after.saturating_sub(self.not_before);
        self.not_before <= now && now.saturating_add(life / 3) <= self.not_after
    }
}

fn sequence(block: &ASN1Block) -> Option<&[ASN1Block]> {
    match block {
        ASN1Block::Sequence(_, blocks) => Some(blocks),
        _ => None,
    }
}

fn seconds(block: &ASN1Block) -> Option<u64> {
    match block {
        ASN1Block::UTCTime(_, time) | ASN1Block::GeneralizedTime(_, time) => {
            u64::try_from(time.assume_utc().unix_timestamp()).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
