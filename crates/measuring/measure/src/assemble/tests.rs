use super::*;

#[test]
fn what_is_kept_is_spread_evenly() {
    for (of, keep) in [(1, 1), (10, 3), (1000, 7), (5, 5), (5, 9), (10_000, 1000), (10, 0)] {
        let kept: Vec<usize> = (0..of).filter(|at| spread(*at, of, keep)).collect();
        assert_eq!(kept.len(), keep.min(of), "{keep} of {of}");
        let widest = kept.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        assert!(keep == 0 || widest <= of.div_ceil(keep), "{keep} of {of}: {kept:?}");
    }
}
