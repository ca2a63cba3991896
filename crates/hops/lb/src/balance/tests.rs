use proptest::prelude::*;

use super::*;

fn idle(usable: bool) -> Candidate {
    Candidate { usable, active: 0, latency: 0.0 }
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let one = (any::<bool>(), 0_usize..5, 0.0..1e9).prop_map(|(usable, active, latency)| Candidate {
        usable,
        active,
        latency,
    });
    proptest::collection::vec(one, 0..8)
}

#[test]
fn equals_take_turns() {
    let three = [idle(true), idle(true), idle(true)];
    let chosen: Vec<_> =
        (0..6).filter_map(|turn| choose(Policy::LeastConnections, &three, turn, 0)).collect();
    assert_eq!(chosen, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn a_peak_counts_at_once_and_fades_slowly() {
    let begun = hop::clock::monotonic();
    let mut ewma = PeakEwma::default();
    ewma.observe(Duration::from_millis(1), begun);
    ewma.observe(Duration::from_millis(100), begun);
    assert_eq!(ewma.value(begun), 1e8, "believed at once");
    ewma.observe(Duration::from_millis(1), begun);
    assert_eq!(ewma.value(begun), 1e8, "no time has passed: not forgotten");
    let later = begun + PeakEwma::TIME;
    let third = ewma.value(later);
    assert!(third > 0.3e8 && third < 0.4e8, "{third}");
    ewma.observe(Duration::from_millis(1), later);
    assert!(ewma.value(later) < 0.4e8);
}

#[test]
fn the_cheaper_of_two_is_taken() {
    let slow = Candidate { usable: true, active: 0, latency: 1e7 };
    let busy = Candidate { usable: true, active: 3, latency: 1e6 };
    for draw in [0, 1, 1 << 32, u64::MAX] {
        assert_eq!(choose(Policy::PeakEwma, &[slow, busy], 0, draw), Some(1));
    }
}

proptest! {
    #[test]
    fn only_usable_ones_are_chosen_and_one_is_if_there_is_one(
        all in candidates(), turn in any::<usize>(), draw in any::<u64>(),
    ) {
        for policy in [Policy::LeastConnections, Policy::RoundRobin, Policy::PeakEwma] {
            let chosen = choose(policy, &all, turn, draw);
            prop_assert_eq!(chosen.is_some(), all.iter().any(|one| one.usable));
            prop_assert!(chosen.is_none_or(|index| all[index].usable));
        }
    }

    #[test]
    fn round_robin_is_exactly_fair(all in candidates(), from in 0_usize..1000, rounds in 1_usize..4) {
        let usable = all.iter().filter(|one| one.usable).count();
        let mut counts = vec![0; all.len()];
        for turn in from..from + rounds * usable {
            if let Some(index) = choose(Policy::RoundRobin, &all, turn, 0) {
                counts[index] += 1;
            }
        }
        for (count, one) in counts.iter().zip(&all) {
            prop_assert_eq!(*count, if one.usable { rounds } else { 0 });
        }
    }

    #[test]
    fn least_connections_is_the_least(all in candidates(), turn in any::<usize>()) {
        if let Some(index) = choose(Policy::LeastConnections, &all, turn, 0) {
            prop_assert!(all.iter().all(|one| !one.usable || one.active >= all[index].active));
        }
    }

    #[test]
    fn the_dearest_of_several_is_never_taken(all in candidates(), draw in any::<u64>()) {
        let usable: Vec<_> = all.iter().filter(|one| one.usable).collect();
        if let Some(index) = choose(Policy::PeakEwma, &all, 0, draw) && usable.len() > 1 {
            // Two different ones were drawn, so somebody is at least as dear.
            let chosen = all[index].cost();
            prop_assert!(usable.iter().filter(|one| one.cost() >= chosen).count() >= 2);
        }
    }
}
