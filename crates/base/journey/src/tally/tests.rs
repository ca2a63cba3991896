use super::*;
use crate::part::{Anomaly, Part, PartKind, Stage};
use crate::stamp::Quality;
use crate::trace::TraceId;

fn part(hop: &str, role: &str, kind: PartKind, name: &str, duration_ns: u64) -> Part {
    let (hop, role, name) = (hop.to_owned(), role.to_owned(), name.to_owned());
    let stage = if role == "cart" { Stage::Application } else { Stage::ToPod };
    Part { hop, role, kind, name, stage, start_ns: 0, duration_ns, quality: Quality::User, depth: 0 }
}

/// A journey through one of two pods; every tenth one opens a connection.
fn journey(n: u64) -> Journey {
    let pod = if n.is_multiple_of(2) { "pod-a" } else { "pod-b" };
    let mut parts = vec![
        part("lb", "lb", PartKind::Own, "", n),
        part(pod, "cart", PartKind::Leg, &format!("lb → {pod}"), 10),
        part(pod, "cart", PartKind::Own, "", 5),
    ];
    let opens = n.is_multiple_of(10);
    if opens {
        parts.push(part(pod, "cart", PartKind::Wait, "connect", 1_000));
    }
    parts.push(part(pod, "cart", PartKind::Own, "", 5));
    let total_ns = parts.iter().map(|part| part.duration_ns).sum::<u64>() + 3;
    Journey {
        trace_id: TraceId([n as u8; 16]),
        name: "GET /".to_owned(),
        start_unix_ns: 0,
        total_ns,
        unaccounted_ns: 3,
        status: Some(200),
        parts,
        counts: Counts {
            connections_opened: u32::from(opens),
            request_bytes: Some(300 + n % 3),
            ..Counts::default()
        },
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
        disturbances: Vec::new(),
        after: Vec::new(),
        outstanding: 0,
    }
}

#[test]
fn rows_hold_replicas_together_and_shares_make_the_whole() {
    let journeys: Vec<Journey> = (1..=100).map(journey).collect();
    let summary = summarize(&journeys).expect("clean ones");
    let shown: Vec<(&str, &str, usize, Option<u64>, u64)> = summary
        .parts
        .iter()
        .map(|part| (part.row.role.as_str(), part.row.name.as_str(), part.journeys, part.p50_ns, part.max_ns))
        .collect();
    assert_eq!(
        shown,
        [
            ("lb", "", 100, Some(50), 100),
            ("cart", "lb → cart", 100, Some(10), 10),
            ("cart", "", 100, Some(10), 10),
            // In one of ten journeys: at the median nothing, at the most all of it.
            ("cart", "connect", 10, Some(0), 1_000),
        ]
    );
    assert_eq!((summary.parts[0].p90_ns, summary.parts[0].p99_ns), (Some(90), None), "100 have no p99");
    let unaccounted = 3.0 * 100.0 / journeys.iter().map(|journey| journey.total_ns).sum::<u64>() as f64;
    let shares: f64 = summary.parts.iter().map(|part| part.share).sum();
    assert!((shares + unaccounted - 1.0).abs() < 1e-9, "{shares}");
}

#[test]
fn a_decomposition_adds_up_and_the_tail_is_another_one() {
    let journeys: Vec<Journey> = (1..=1000).map(journey).collect();
    let summary = summarize(&journeys).expect("clean ones");
    let Decompositions { mean, p50: Some(p50), p99: Some(p99) } = &summary.decomposition else {
        panic!("1000 have a median and a tail")
    };
    for decomposition in [mean, p50, p99] {
        let sum: u64 = decomposition.parts.iter().map(|part| part.duration_ns).sum();
        assert_eq!(sum.cast_signed() + decomposition.unaccounted_ns, decomposition.total_ns.cast_signed());
    }
    assert_eq!((mean.journeys, p50.journeys, p99.journeys), (1000, 50, 10));
    let off = |near: &Decomposition, of: Option<u64>| near.total_ns.abs_diff(of.expect("it is there"));
    assert!(off(p50, summary.total.p50_ns) < 30 && off(p99, summary.total.p99_ns) < 60);
    // What makes the slow ones slow is seen there, and not at the median.
    let connect = &summary.parts[3].row;
    assert_eq!((p50.of(connect), p99.of(connect)), (0, 1_000));
}

#[test]
fn counts_are_exact_and_told_apart() {
    let same: Vec<Journey> = (1..=9).map(journey).collect();
    let summary = summarize(&same).expect("clean ones");
    assert_eq!(summary.counts.len(), 1, "bytes alone make no difference: {:?}", summary.counts);
    let two: Vec<Journey> = (1..=20).map(journey).collect();
    let counts = summarize(&two).expect("clean ones").counts;
    let shown: Vec<(usize, u32)> =
        counts.iter().map(|shared| (shared.journeys, shared.counts.connections_opened)).collect();
    assert_eq!(shown, [(18, 0), (2, 1)]);
}

#[test]
fn too_few_have_a_mean_and_neither_median_nor_tail() {
    let few: Vec<Journey> = (1..=5).map(journey).collect();
    let summary = summarize(&few).expect("clean ones");
    let Decompositions { mean, p50, p99 } = &summary.decomposition;
    assert_eq!((mean.journeys, p50, p99), (5, &None, &None));
    assert_eq!(
        (summary.total.p50_ns, summary.unaccounted_p50_ns, summary.parts[0].p50_ns),
        (None, None, None)
    );
    let sum: u64 = mean.parts.iter().map(|part| part.duration_ns).sum();
    assert_eq!(sum.cast_signed() + mean.unaccounted_ns, mean.total_ns.cast_signed());
}

#[test]
fn a_strange_journeys_total_counts_and_its_parts_are_in_no_row() {
    let mut journeys: Vec<Journey> = (1..=9).map(journey).collect();
    let clean = summarize(&journeys).expect("clean ones");
    let mut stepped = journey(200);
    stepped.anomalies.push(Anomaly { hop: "browser".into(), what: "the clock was set".into(), by_ns: 7 });
    let mut silent = journey(201);
    silent.silent.push("lb".to_owned());
    journeys.extend([stepped, silent]);
    let mut tally = Tally::default();
    journeys.iter().for_each(|journey| tally.add(journey));
    let summary = tally.summary(&journeys).expect("clean ones");
    assert_eq!((summary.journeys, summary.flagged, summary.disturbed), (11, 2, 0));
    assert_eq!((summary.total.count, summary.total.max_ns), (11, 1_223));
    assert_eq!(summary.undisturbed, clean.total);
    assert_eq!((&summary.parts, &summary.decomposition), (&clean.parts, &clean.decomposition));
    let listed: Vec<&str> = tally.flagged().iter().map(|flagged| flagged.what[0].as_str()).collect();
    assert_eq!(listed, ["browser: the clock was set", "lb did not report"]);
    assert_eq!(tally.flagged()[0].trace_id, TraceId([200; 16]));
    assert_eq!(summarize(&journeys[9..]), None);
}

/// A thousand journeys, of which the slowest thirty-one met a core that was taken away, as the slowest are hit most.
fn disturbed() -> Vec<Journey> {
    let hit = |n: u64| {
        let mut slow = journey(n);
        slow.parts[0].duration_ns += 1_000_000;
        slow.total_ns += 1_000_000;
        slow.disturbances.push(Anomaly { hop: "machine".into(), what: "a core".into(), by_ns: 10 });
        slow
    };
    (1..=1000).map(|n| if n > 969 { hit(n) } else { journey(n) }).collect()
}

#[test]
fn a_journey_that_was_slow_because_of_the_machine_is_in_every_figure() {
    let journeys = disturbed();
    let summary = summarize(&journeys).expect("clean ones");
    assert_eq!((summary.journeys, summary.flagged, summary.disturbed), (1000, 0, 31));
    assert_eq!((summary.total.count, summary.undisturbed.count), (1000, 969));
    let slow = 1_000_000;
    assert!(summary.total.p99_ns > Some(slow) && summary.parts[0].p99_ns > Some(slow), "{summary:?}");
    let near = summary.decomposition.p99.as_ref().expect("a thousand have a tail");
    assert!(near.of(&summary.parts[0].row) > slow, "{near:?}");
    // Beside it stands what there would be without.
    assert!(summary.undisturbed.p99_ns < Some(slow) && summary.undisturbed.max_ns < slow, "{summary:?}");
}

/// The twin: who leaves out what the machine disturbed has no tail.
#[test]
fn leaving_disturbed_journeys_out_would_cut_the_tail_off() {
    let left: Vec<Journey> = disturbed().into_iter().filter(Journey::undisturbed).collect();
    let summary = summarize(&left).expect("clean ones");
    assert!(summary.total.max_ns < 1_000_000 && summary.total.p99_ns < Some(1_000_000));
}

/// At a rate not every request is recorded, and a recorded one's spans may be lost: their totals are known.
#[test]
fn totals_are_those_of_all_requests_recorded_or_not() {
    let mut tally = Tally::default();
    let journeys: Vec<Journey> = (1..=10).map(journey).collect();
    journeys.iter().for_each(|journey| tally.add(journey));
    (0..90).for_each(|_| tally.add_unrecorded(5_000_000));
    tally.add_lost(TraceId([9; 16]), 7_000_000);
    let summary = tally.summary(&journeys).expect("clean ones");
    assert_eq!((summary.journeys, summary.flagged, summary.total.count), (11, 1, 101));
    assert_eq!((summary.total.p50_ns, summary.total.max_ns), (Some(5_000_000), 7_000_000));
    assert_eq!((summary.undisturbed.count, summary.parts[0].journeys), (10, 10));
    assert_eq!(tally.flagged()[0].what, ["none of its spans came in"]);
}
