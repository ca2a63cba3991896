use super::*;

#[test]
fn the_counters_of_all_cores_are_read() {
    let text = "cpu  10 2 30 400 5 1 7 9 100 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
    assert_eq!(Cores::parse(text), Some(Cores { busy: 50, stolen: 9 }));
    assert_eq!(Cores::parse("cpu  10 2 30"), None);
    assert_eq!(Cores::parse("intr 5"), None);
    assert!(Cores::read().busy > 0, "Linux has /proc/stat");
}

#[test]
fn a_journey_is_known_to_be_hit_when_it_touches_the_window() {
    let mut steal_time = StealTime { last: 1_000, cores: Cores::default(), windows: Vec::new() };
    steal_time.note(2_000, Cores { busy: 5, stolen: 0 });
    steal_time.note(3_000, Cores { busy: 5, stolen: 2 });
    steal_time.note(4_000, Cores { busy: 9, stolen: 2 });
    let seen = [(0, 1_900), (1_500, 2_500), (2_100, 2_200), (2_900, 5_000), (3_100, 5_000)];
    let stolen = seen.map(|(start, end)| steal_time.during(start, end) / NANOSECONDS_PER_TICK);
    assert_eq!(stolen, [0, 2, 2, 2, 0]);
}

#[test]
fn a_calibration_sees_what_sleeping_costs_and_no_more_than_all_of_the_time() {
    let machine = calibrate();
    assert!(machine.cores > 0 && machine.wake_late_p50_ns > Some(0), "{machine:?}");
    assert!(machine.wake_late_p50_ns <= machine.wake_late_p90_ns, "{machine:?}");
    assert!((0.0..=1.0).contains(&machine.gaps_share), "{machine:?}");
}
