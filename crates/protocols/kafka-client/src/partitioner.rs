//! Which partition a key belongs to: the Java client's rule, so that its consumers and producers agree.

/// The partition of a key among `count` (at least one).
pub(crate) fn choose(key: &[u8], count: usize) -> usize {
    // The sign bit is cut off, not negated: the smallest number has no positive counterpart.
    let positive = murmur2(key) as u32 & 0x7fff_ffff;
    positive as usize % count.max(1)
}

/// MurmurHash2, 32 bits, with the seed of the Java client (`org.apache.kafka.common.utils.Utils.murmur2`).
pub(crate) fn murmur2(bytes: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ bytes.len() as u32;
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let last = tail.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    (hash ^ hash >> 15) as i32
}

#[cfg(test)]
mod tests;
