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
            request_bytes: 300 + n % 3,
            ..Counts::default()
        },
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
    }
}

#[test]
fn rows_hold_replicas_together_and_shares_make_the_whole() {
    let journeys: Vec<Journey> = (1..=100).map(journey).collect();
    let summary = summarize(&journeys).expect("clean ones");
    let shown: Vec<(&str, &str, usize, u64, u64)> = summary
        .parts
        .iter()
        .map(|part| (part.row.role.as_str(), part.row.name.as_str(), part.journeys, part.p50_ns, part.max_ns))
        .collect();
    assert_eq!(
        shown,
        [
            ("lb", "", 100, 50, 100),
            ("cart", "lb → cart", 100, 10, 10),
            ("cart", "", 100, 10, 10),
            // In one of ten journeys: at the median nothing, at p99 all of it.
            ("cart", "connect", 10, 0, 1_000),
        ]
    );
    assert_eq!(summary.parts[3].p99_ns, 1_000);
    let unaccounted = 3.0 * 100.0 / journeys.iter().map(|journey| journey.total_ns).sum::<u64>() as f64;
    let shares: f64 = summary.parts.iter().map(|part| part.share).sum();
    assert!((shares + unaccounted - 1.0).abs() < 1e-9, "{shares}");
}

#[test]
fn a_decomposition_adds_up_and_the_tail_is_another_one() {
    let journeys: Vec<Journey> = (1..=1000).map(journey).collect();
    let summary = summarize(&journeys).expect("clean ones");
    let Decompositions { p50, p99 } = &summary.decomposition;
    for decomposition in [p50, p99] {
        let sum: u64 = decomposition.parts.iter().map(|part| part.duration_ns).sum();
        assert_eq!(sum.cast_signed() + decomposition.unaccounted_ns, decomposition.total_ns.cast_signed());
    }
    assert_eq!((p50.journeys, p99.journeys), (50, 10));
    assert!(p50.total_ns.abs_diff(summary.p50_ns) < 30 && p99.total_ns.abs_diff(summary.p99_ns) < 60);
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
fn flagged_journeys_are_listed_and_in_no_figure() {
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
    assert_eq!((summary.journeys, summary.flagged), (11, 2));
    assert_eq!(Summary { journeys: 9, flagged: 0, ..summary }, clean);
    let listed: Vec<&str> = tally.flagged().iter().map(|flagged| flagged.what[0].as_str()).collect();
    assert_eq!(listed, ["browser: the clock was set", "lb did not report"]);
    assert_eq!(tally.flagged()[0].trace_id, TraceId([200; 16]));
    assert_eq!(summarize(&journeys[9..]), None);
}
