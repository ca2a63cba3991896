//! Names for spans that are made again each time somebody asks.

use journey::{SpanId, TraceId};

/// The names of one record's trace and spans: the same each time, and nobody else's.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    seed: u128,
    number: u64,
}

/// So many spans of a record have names of their own.
const SPANS: u64 = 1 << 16;

impl Ids {
    pub(super) fn new(seed: u128, number: u64) -> Self {
        Ids { seed, number }
    }

    /// The trace that the record has for itself.
    pub fn trace(self) -> TraceId {
        let low = mixed(self.seed as u64 ^ self.number);
        TraceId((((self.seed >> 64) << 64) | u128::from(low)).max(1).to_be_bytes())
    }

    /// The record's `n`th span.
    pub fn span(self, n: usize) -> SpanId {
        let number = self.number.wrapping_mul(SPANS).wrapping_add(n as u64);
        SpanId(mixed((self.seed >> 64) as u64 ^ number).max(1).to_be_bytes())
    }
}

/// Looks random, and differs whenever `value` does (the last step of SplitMix64).
fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
