//! Order statistics: of `n` independent samples, the number that lies below a quantile is binomial,
//! whatever the distribution. So two of the sorted samples enclose the quantile with a probability that
//! can be counted.

/// How sure an interval is, unless something else is given: of 20 intervals 19 hold the true value.
pub const CONFIDENCE: f64 = 0.95;

/// How many samples it takes until one of them is above the quantile of `share` (0 to 1, one half or more) with the
/// confidence of an interval of two ends.
pub(crate) fn enough(share: f64, confidence: f64) -> usize {
    let miss = (1.0 - confidence) / 2.0;
    (miss.ln() / share.ln()).ceil().max(1.0) as usize
}

/// The greatest `k` such that at most `k` of `n` samples lie below the quantile of `share` (0 to 1) with a
/// probability of at most `miss`: the `k` smallest can be cut off, and what is left begins below it.
pub(crate) fn cut(n: usize, share: f64, miss: f64) -> Option<usize> {
    let mut below = 0.0;
    let fits = |chance: f64| {
        below += chance;
        below <= miss
    };
    chances(n, share).take(n).map(fits).take_while(|fits| *fits).count().checked_sub(1)
}

/// The chances that exactly 0, 1, 2 … of `n` samples lie below the quantile of `share`, each from the one
/// before; as logarithms, because ½ⁿ is too small for a float when n is 2000.
pub(crate) fn chances(n: usize, share: f64) -> impl Iterator<Item = f64> {
    let share = share.clamp(0.0, 1.0);
    let odds = (share / (1.0 - share)).ln();
    let first = n as f64 * (1.0 - share).ln();
    let next = move |log: &f64, at: usize| log + ((n - at) as f64).ln() - ((at + 1) as f64).ln() + odds;
    let logs = std::iter::successors(Some((0, first)), move |(at, log)| Some((at + 1, next(log, *at))));
    logs.take(n + 1).map(|(_, log)| log.exp())
}

#[cfg(test)]
mod tests;
