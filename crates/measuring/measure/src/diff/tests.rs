use journey::{Anomaly, Counts, Journey, Part, PartKind, Quality, TraceId, summarize};

use super::*;
use crate::measured::{Measured, SCHEMA};
use crate::series::Series;
use crate::target::TargetHop;

/// A journey whose lb takes `lb` and whose pod takes `pod` microseconds.
fn journey(trace: u8, lb: u64, pod: u64) -> Journey {
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
        trace_id: TraceId([trace; 16]),
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
        after: Vec::new(),
        outstanding: 0,
    }
}

/// Warm journeys of one start, whose lb takes about 100 µs and whose pod takes about `pod`.
fn measured(start: u8, pod: u64, count: u64) -> Measured {
    let journeys = (0..count).map(|n| journey(start, 100 + n * 7 % 11, pod + n * 5 % 13)).collect();
    let hop = TargetHop {
        name: "lb".to_owned(),
        role: "lb".to_owned(),
        pid: Some(u32::from(start)),
        opaque: false,
        recorder: None,
        begins: None,
        listen: Vec::new(),
        onward: Vec::new(),
    };
    Measured {
        schema: SCHEMA.to_owned(),
        build: "release".to_owned(),
        network: "loopback".to_owned(),
        hops: vec![hop],
        warm: Some(Series::of(journeys)),
        ..Measured::default()
    }
}

fn run(measured: &Measured) -> Run {
    Run::of(measured).expect("the form")
}

/// Four starts, each with a whim of its own of some microseconds, the pod at about `pod`.
fn side(first: u8, pod: u64) -> Vec<Run> {
    let whims = [0, 7, 3, 5];
    (0..4).map(|at| run(&measured(first + at, pod + whims[usize::from(at)], 200))).collect()
}

fn compared(before: &[Run], after: &[Run]) -> Diff {
    diff(before, after, Wanted::default()).expect("comparable")
}

fn warm(diff: &Diff) -> &KindDiff {
    diff.warm.as_ref().expect("both are warm")
}

fn verdicts(diff: &Diff) -> Vec<(&str, Change)> {
    warm(diff).parts.iter().map(|part| (part.row.role.as_str(), part.comparison.verdict)).collect()
}

#[test]
fn a_slower_part_is_named_and_its_neighbour_is_not() {
    use Change::{Equivalent, Faster, Slower};
    let (before, after) = (side(1, 500), side(11, 560));
    let diff = compared(&before, &after);
    assert_eq!(verdicts(&diff), [("lb", Equivalent), ("cart", Slower)]);
    let stages: Vec<_> = warm(&diff).stages.iter().map(|row| (row.stage, row.comparison.verdict)).collect();
    assert_eq!(stages, [(Stage::ToPod, Equivalent), (Stage::Application, Slower)]);
    assert!(diff.slower() && diff.decided() && diff.warnings.is_empty(), "{:?}", diff.warnings);
    assert_eq!((diff.before_runs, diff.after_runs, diff.undecidable.as_ref()), (4, 4, None));
    assert_eq!(warm(&diff).total.difference_ns, 60_000);
    assert_eq!(warm(&diff).stage_confidence, 0.975, "two rows together have 95 %");
    assert!(diff.statistic.contains("Welch") && diff.statistic.contains("Bonferroni"), "{}", diff.statistic);
    // The other way round it is faster, and with a least difference above it, nothing.
    let back = compared(&after, &before);
    assert!(!back.slower() && verdicts(&back)[1].1 == Faster);
    let lenient = super::diff(&before, &after, Wanted { least: 0.2, ..Wanted::default() });
    assert!(!lenient.expect("comparable").slower());
}

/// Whims of a start are larger than what its journeys scatter: journeys alone would see a difference here.
#[test]
fn another_start_is_no_change() {
    let whims = |first: u8, whims: [u64; 4]| -> Vec<Run> {
        (0..4).map(|at| run(&measured(first + at, 500 + whims[usize::from(at)], 200))).collect()
    };
    let (before, after) = (whims(1, [0, 90, 30, 60]), whims(11, [80, 20, 95, 40]));
    let diff = compared(&before, &after);
    assert_eq!(warm(&diff).total.verdict, Change::Inconclusive);
    // The twin: one start beside another, their journeys taken for samples.
    let totals = |run: &Run| run.warm.as_ref().expect("warm").totals.clone();
    let taken = journey::compare(&totals(&before[0]), &totals(&after[0]), 0.95, 0).expect("samples");
    assert_ne!(taken.verdict, Change::Inconclusive);
}

#[test]
fn one_run_a_side_gets_no_verdict_and_is_told_why() {
    let diff = compared(&side(1, 500)[..1], &side(11, 900)[..1]);
    assert_eq!(warm(&diff).total.verdict, Change::Inconclusive);
    assert!(!diff.slower() && !diff.decided() && warm(&diff).total.low_ns.is_none());
    assert_eq!(warm(&diff).total.difference_ns, 400_000, "what was measured is shown");
    assert!(verdicts(&diff).iter().all(|(_, verdict)| *verdict == Change::Inconclusive));
    assert!(diff.undecidable.is_some_and(|why| why.contains("another start") && why.contains("lab compare")));
    assert_eq!(diff.cold, None);
}

/// Twelve measurements of one running lab are one run: they say nothing about another start.
#[test]
fn measurements_of_one_start_are_one_run() {
    let of_start = |start: u8, pod: u64| -> Vec<Run> {
        let again = |trace: u8| {
            let mut measured = measured(start, pod, 50);
            for journey in measured.warm.iter_mut().flat_map(|warm| &mut warm.journeys) {
                journey.trace_id = TraceId([trace; 16]);
            }
            run(&measured)
        };
        (start..start + 3).map(again).collect()
    };
    let diff = compared(&of_start(1, 500), &of_start(11, 900));
    assert_eq!((diff.before_runs, diff.after_runs, warm(&diff).before_journeys), (1, 1, 150));
    assert_eq!(warm(&diff).total.verdict, Change::Inconclusive);
    assert!(diff.undecidable.is_some_and(|why| why.starts_with("runs of one start")));
    // The same file twice is no second run, either.
    let twice = [side(1, 500)[0].clone(), side(1, 500)[0].clone()];
    let refused = super::diff(&twice, &side(11, 500), Wanted::default()).expect_err("twice");
    assert!(refused.to_string().contains("twice on the first side"), "{refused}");
}

#[test]
fn slow_and_strange_journeys_are_in_the_total() {
    let mut slow = measured(1, 500, 9);
    let series = slow.warm.as_mut().expect("warm");
    for journey in &mut series.journeys[..5] {
        journey.total_ns += 1_000_000;
        journey.anomalies.push(Anomaly { hop: "lb".to_owned(), what: "strange".to_owned(), by_ns: 1 });
    }
    series.summary = summarize(&series.journeys);
    let diff = compared(&[run(&slow)], &side(11, 500)[..1]);
    assert!(warm(&diff).total.before_ns > 1_000_000, "five of nine are slow: {:?}", warm(&diff).total);
    assert!(warm(&diff).stages[1].comparison.before_ns < 1_000_000, "and in no row");
}

#[test]
fn a_part_that_is_new_is_slower_than_nothing() {
    let renamed = |start: u8| {
        let mut after = measured(start, 500 + u64::from(start) % 3, 200);
        let warm = after.warm.as_mut().expect("warm");
        for journey in &mut warm.journeys {
            journey.parts[0].name = "retry".to_owned();
        }
        warm.summary = summarize(&warm.journeys);
        run(&after)
    };
    let after: Vec<Run> = (11..15).map(renamed).collect();
    let diff = compared(&side(1, 500), &after);
    let found: Vec<_> = verdicts(&diff).into_iter().map(|(_, verdict)| verdict).collect();
    assert_eq!(found, [Change::Faster, Change::Slower, Change::Equivalent]);
}

#[test]
fn a_pilot_tells_how_many_pairs_it_takes() {
    let (before, after) = (side(1, 500), side(11, 500));
    assert_eq!(needed(&before, &after, 0.05), Some(4), "the same whims: no more than the pilot");
    assert_eq!(needed(&before[..1], &after[..1], 0.05), None);
    let uneven: Vec<Run> = (0..4).map(|at| run(&measured(11 + at, 400 + 70 * u64::from(at), 50))).collect();
    assert!(needed(&before, &uneven, 0.05) > Some(20));
    assert!(needed(&before, &uneven, 0.5) < needed(&before, &uneven, 0.05));
}

#[test]
fn what_makes_two_hard_to_compare_is_said() {
    let mut after = measured(11, 500, 100);
    after.build = "debug".to_owned();
    after.network = "17 ms".to_owned();
    after.machine.others_share = Some(0.5);
    after.machine.waited_per_second = Some(3.0);
    let warm = after.warm.as_mut().expect("warm");
    warm.failures.count = 3;
    for journey in &mut warm.journeys {
        journey.counts.connections_opened = 3;
    }
    for journey in &mut warm.journeys[..10] {
        let what = "the clock was set".to_owned();
        journey.anomalies.push(Anomaly { hop: "browser".to_owned(), what, by_ns: 1 });
    }
    warm.summary = summarize(&warm.journeys);
    let before = [run(&measured(1, 500, 100))];
    let diff = compared(&before, &[run(&after)]);
    let words = ["builds", "networks", "other programs", "waited", "different things", "strange", "failed"];
    for word in words {
        assert!(diff.warnings.iter().any(|warning| warning.contains(word)), "{word}: {:?}", diff.warnings);
    }
    // Nothing in common, or another form: no comparison.
    let mut cold = measured(1, 500, 100);
    cold.cold = cold.warm.take();
    assert!(super::diff(&[run(&cold)], &before, Wanted::default()).is_err());
    assert!(super::diff(&[], &before, Wanted::default()).is_err());
    cold.schema = "journey/9".to_owned();
    assert!(Run::of(&cold).is_err());
}
