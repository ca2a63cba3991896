use journey::{Anomaly, Counts, Journey, Part, PartKind, Quality, Stage, TraceId, summarize};

use super::*;

/// A journey whose lb takes `lb` and whose pod takes `pod` microseconds.
fn journey(lb: u64, pod: u64) -> Journey {
    let part = |role: &str, stage, duration_ns| Part {
        hop: role.to_owned(),
        role: role.to_owned(),
        kind: PartKind::Own,
        name: String::new(),
        stage,
        start_ns: 0,
        duration_ns,
        quality: Quality::User,
        depth: 0,
    };
    Journey {
        trace_id: TraceId::default(),
        name: "POST /cart/items".to_owned(),
        start_unix_ns: 0,
        total_ns: (lb + pod) * 1_000,
        unaccounted_ns: 0,
        status: Some(201),
        parts: vec![part("lb", Stage::ToPod, lb * 1_000), part("cart", Stage::Application, pod * 1_000)],
        counts: Counts::default(),
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
        disturbances: Vec::new(),
    }
}

/// Warm journeys whose lb takes about 100 µs and whose pod takes about `pod`.
fn measured(pod: u64, count: u64) -> Measured {
    let journeys: Vec<Journey> = (0..count).map(|n| journey(100 + n * 7 % 11, pod + n * 5 % 13)).collect();
    let series = Series::of(journeys);
    Measured {
        schema: SCHEMA.to_owned(),
        build: "release".to_owned(),
        network: "loopback".to_owned(),
        warm: Some(series),
        ..Measured::default()
    }
}

fn verdicts(diff: &Diff) -> Vec<(&str, Change)> {
    let warm = diff.warm.as_ref().expect("both are warm");
    warm.parts.iter().map(|part| (part.row.role.as_str(), part.comparison.verdict)).collect()
}

#[test]
fn a_slower_part_is_named_and_its_neighbour_is_not() {
    let diff = diff(&measured(500, 200), &measured(560, 200), 0.02).expect("comparable");
    assert_eq!(verdicts(&diff), [("lb", Change::Inconclusive), ("cart", Change::Slower)]);
    assert!(diff.slower() && diff.warnings.is_empty(), "{:?}", diff.warnings);
    let total = diff.warm.as_ref().expect("both are warm").total;
    assert_eq!(total.difference_ns, 60_000);
    assert!(diff.statistic.contains("Bonferroni") && diff.statistic.contains("95 %"), "{}", diff.statistic);
    // The other way round it is faster, and with a least difference above it, nothing.
    let back = super::diff(&measured(560, 200), &measured(500, 200), 0.02).expect("comparable");
    assert!(!back.slower() && verdicts(&back)[1].1 == Change::Faster);
    let lenient = super::diff(&measured(500, 200), &measured(560, 200), 0.2).expect("comparable");
    assert_eq!(verdicts(&lenient)[1].1, Change::Inconclusive);
}

#[test]
fn the_same_twice_or_too_little_is_inconclusive() {
    let same = diff(&measured(500, 200), &measured(500, 200), 0.02).expect("comparable");
    assert!(verdicts(&same).iter().all(|(_, verdict)| *verdict == Change::Inconclusive));
    let few = diff(&measured(500, 5), &measured(900, 5), 0.02).expect("comparable");
    assert!(!few.slower() && few.warm.is_some_and(|warm| warm.total.low_ns.is_none()), "no interval");
}

#[test]
fn a_part_that_is_new_is_slower_than_nothing() {
    let mut after = measured(500, 200);
    let warm = after.warm.as_mut().expect("warm");
    for journey in &mut warm.journeys {
        journey.parts[0].name = "retry".to_owned();
    }
    warm.summary = summarize(&warm.journeys);
    let diff = diff(&measured(500, 200), &after, 0.02).expect("comparable");
    assert_eq!(
        verdicts(&diff),
        [("lb", Change::Faster), ("lb", Change::Slower), ("cart", Change::Inconclusive)]
    );
}

#[test]
fn what_makes_two_hard_to_compare_is_said() {
    let mut after = measured(500, 100);
    after.build = "debug".to_owned();
    after.network = "17 ms".to_owned();
    after.machine.others_share = Some(0.5);
    after.machine.waited_per_second = Some(3.0);
    let warm = after.warm.as_mut().expect("warm");
    for journey in &mut warm.journeys {
        journey.counts.connections_opened = 3;
    }
    for journey in &mut warm.journeys[..10] {
        let what = "the clock was set".to_owned();
        journey.anomalies.push(Anomaly { hop: "browser".to_owned(), what, by_ns: 1 });
    }
    warm.summary = summarize(&warm.journeys);
    let diff = diff(&measured(500, 100), &after, 0.02).expect("comparable");
    assert_eq!(diff.warm.as_ref().map(|warm| warm.after_journeys), Some(90), "flagged ones are left out");
    for word in ["builds", "networks", "other programs", "waited", "different things", "strange"] {
        assert!(diff.warnings.iter().any(|warning| warning.contains(word)), "{word}: {:?}", diff.warnings);
    }
    // Nothing in common, or another form: no comparison.
    let mut cold = measured(500, 100);
    cold.cold = cold.warm.take();
    assert!(super::diff(&cold, &measured(500, 100), 0.02).is_err());
    cold.schema = "journey/9".to_owned();
    assert!(super::diff(&cold, &cold, 0.02).is_err());
}
