//! Figures of many measurements.

/// The middle one; of an even number the lower of the two.
pub(super) fn median<T: Ord + Copy>(values: &mut [T]) -> Option<T> {
    values.sort_unstable();
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// What is left of an interval when others are taken out of it, however they overlap.
pub(super) fn less((start, end): (u64, u64), others: &mut [(u64, u64)]) -> u64 {
    others.sort_unstable();
    let mut left = 0;
    let mut cursor = start;
    for &mut (from, to) in others {
        left += from.min(end).saturating_sub(cursor);
        cursor = cursor.max(to);
    }
    left + end.saturating_sub(cursor)
}

/// How much later the one is than the other, in nanoseconds; below zero when it is earlier.
pub(super) fn distance(later: u64, earlier: u64) -> i64 {
    let by = i64::try_from(later.abs_diff(earlier)).unwrap_or(i64::MAX);
    if later >= earlier { by } else { -by }
}
