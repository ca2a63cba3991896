use super::*;

const SECOND: u64 = 1_000_000_000;

/// Requests at an even rate for some seconds: when each that is recorded came, and what was counted.
fn flood(roots: &Roots, per_second: u64, seconds: u64) -> (Vec<u64>, u64) {
    let (mut recorded, mut passed_over) = (Vec::new(), 0);
    for n in 0..per_second * seconds {
        let now = 1_000 * SECOND + n * SECOND / per_second;
        let decision = roots.decide(now);
        passed_over += decision.passed_over;
        recorded.extend(decision.sampled.then_some(now));
    }
    (recorded, passed_over)
}

#[test]
fn a_flood_is_recorded_evenly_up_to_the_rate_and_the_rest_is_counted() {
    let roots = Roots::new(Some(20.0));
    let (recorded, passed_over) = flood(&roots, 2_000, 10);
    // What one second may have at once, and then 20 a second.
    assert!((215..=221).contains(&recorded.len()), "{}", recorded.len());
    for pair in recorded[20..].windows(2) {
        assert!((45_000_000..=55_000_000).contains(&(pair[1] - pair[0])), "{pair:?}");
    }
    // All but those since the last recorded one are counted.
    let all = recorded.len() as u64 + passed_over;
    assert!((19_900..=20_000).contains(&all), "{all}");
}

#[test]
fn few_are_all_recorded_and_without_a_rate_everything_is() {
    let (recorded, passed_over) = flood(&Roots::new(Some(20.0)), 15, 10);
    assert_eq!((recorded.len(), passed_over), (150, 0));
    let (recorded, _) = flood(&Roots::new(None), 5_000, 2);
    assert_eq!(recorded.len(), 10_000);
    let (recorded, _) = flood(&Roots::new(Some(0.0)), 5_000, 2);
    assert_eq!(recorded.len(), 0, "none is a rate, too");
    let (recorded, _) = flood(&Roots::new(Some(0.5)), 100, 10);
    assert!((5..=6).contains(&recorded.len()), "{}", recorded.len());
}
