//! Are these faster than those? Statistics of two sets of times, and what they allow one to say.
//!
//! Everything here is about the *median*, without any assumption about the shape of the distribution:
//!
//! * the interval of one median comes from order statistics: of `n` independent values the number below
//!   the true median is binomial (n, ½), so the k-th smallest and the k-th largest enclose it with a
//!   probability that can be counted ([`median_interval`]).

/// The interval that holds the median with at least this confidence (0 to 1), from the k-th smallest to
/// the k-th largest of the samples, which need no order; `None` when there are too few of them (95 % needs
/// six).
///
/// The samples must be independent of each other; where neighbours resemble each other, the true
/// confidence is lower.
pub fn median_interval(samples: &[u64], confidence: f64) -> Option<(u64, u64)> {
    let cut = cut(samples.len(), 1.0 - confidence)?;
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    Some((sorted[cut], sorted[sorted.len() - 1 - cut]))
}

/// How many of `n` values may be cut off at each end so that both ends together miss the median with a
/// probability of at most `miss`.
fn cut(n: usize, miss: f64) -> Option<usize> {
    if n == 0 {
        return None;
    }
    // Chances of exactly 0, 1, 2 … below the median, each from the one before; as logarithms, because
    // ½ⁿ is too small for a float when n is 2000.
    let mut log = -(n as f64) * std::f64::consts::LN_2;
    let mut below = 0.0;
    for at in 0..n.div_ceil(2) {
        below += log.exp();
        if 2.0 * below > miss {
            return at.checked_sub(1);
        }
        log += ((n - at) as f64).ln() - ((at + 1) as f64).ln();
    }
    Some(n.div_ceil(2) - 1)
}

#[cfg(test)]
mod tests;
