use journey::{Counts, Part, PartKind, Quality, Stage, TraceId};

use super::*;

fn plan(budget: &str) -> Plan {
    let text = plan::DEFAULT.split("[budget]").next().unwrap_or_default();
    let text = format!("{text}[budget]\n{budget}");
    Plan::parse("lab.toml", &text, std::path::Path::new(""), &[], &[]).expect("a good plan")
}

fn part(hop: &str, kind: PartKind, stage: Stage, duration_ns: u64) -> Part {
    let (hop, role, name) = (hop.to_owned(), String::new(), String::new());
    Part { hop, role, kind, name, stage, start_ns: 0, duration_ns, quality: Quality::User, depth: 0 }
}

fn journey(cart: u64) -> Journey {
    Journey {
        trace_id: TraceId::default(),
        name: "POST /cart/items".to_owned(),
        start_unix_ns: 0,
        total_ns: 10_000_000,
        unaccounted_ns: 0,
        status: Some(201),
        parts: vec![
            part("browser", PartKind::Own, Stage::Dns, 2_000_000),
            part("cart-service", PartKind::Own, Stage::ToPod, 1_000_000),
            part("cart-pod-abc12", PartKind::Leg, Stage::ToPod, 300_000),
            part("cart-pod-abc12", PartKind::Wake, Stage::ToPod, 200_000),
            part("cart-pod-abc12", PartKind::Own, Stage::Application, cart),
        ],
        counts: Counts::default(),
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
        disturbances: Vec::new(),
        after: Vec::new(),
        outstanding: 0,
    }
}

/// Twenty-five journeys, whose pods took 0.68 to 9.32 ms.
fn lines(budget: &str) -> Vec<Line> {
    let journeys: Vec<Journey> = (1..=25).map(|cart| journey(cart * 360_000 + 320_000)).collect();
    compare(&plan(budget), &[&journeys])
}

#[test]
fn phases_hops_and_roles_are_compared_by_their_median() {
    use Conclusion::{Inconclusive, Over, Within};
    let lines =
        lines("dns = 2.0\nclusterip = 0.5\ncart-pod-abc12 = 8.0\ncart = 4.0\nto-pod = 1.5\ntotal = 9.0\n");
    let seen: Vec<(&str, f64, Conclusion)> =
        lines.iter().map(|line| (line.name.as_str(), line.median_ms, line.verdict)).collect();
    assert_eq!(
        seen,
        [
            ("dns", 2.0, Within),
            ("clusterip", 1.0, Over),
            ("cart-pod-abc12", 5.0, Within),
            ("cart", 5.0, Inconclusive),
            ("to-pod", 1.5, Within),
            ("total", 10.0, Over),
        ]
    );
    // Six lines: 2 · P(B ≤ 5) of 25 = 0.0041, 2 · P(B ≤ 6) = 0.0146, and 0.05 / 6 lies between: the sixth from both ends.
    assert_eq!((lines[3].low_ms, lines[3].high_ms), (Some(2.48), Some(7.52)));
    let table = table(&lines, 25, 1, 1);
    for word in
        ["over", "inconclusive", "2.480 to 7.520", "1 of them were strange", "of this start", "--runs 5"]
    {
        assert!(table.contains(word), "{table}");
    }
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

#[test]
fn each_line_is_a_case_and_strict_decides_what_inconclusive_means() {
    let lines = lines("dns = 2.0\ncart = 4.0\ntotal = 9.0\n");
    let kinds = |strict| {
        let kind = |case: Case| match case.ended {
            Ended::Passed(_) => "passed",
            Ended::Failed(_) => "failed",
            Ended::Skipped(_) => "skipped",
            Ended::Error(_) => "error",
        };
        cases(&lines, strict).into_iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(false), ["passed", "skipped", "failed"]);
    assert_eq!(kinds(true), ["passed", "failed", "failed"]);
}

#[test]
fn the_fewest_are_just_enough() {
    let times = |count: u64| (0..count).map(Duration::from_millis);
    assert!(Quantile::of(times(FEWEST as u64), 50.0).most.is_some());
    assert!(Quantile::of(times(FEWEST as u64 - 1), 50.0).most.is_none());
}

#[test]
fn what_nobody_meets_is_no_success() {
    let lines = lines("dns = 2.0\ntls = 1.0\nredis = 5.0\ncart-pod-def34 = 5.0\ncart = 9.5\n");
    let missed: Vec<&str> = lines.iter().filter(|line| !line.met).map(|line| line.name.as_str()).collect();
    // A phase that no journey has takes no time, and that is an answer.
    assert_eq!(missed, ["redis", "cart-pod-def34"]);
    assert!(table(&lines, 25, 0, 1).contains("never met"));
    assert!(
        cases(&lines, false)
            .iter()
            .any(|case| matches!(&case.ended, Ended::Failed(why) if why.contains("met")))
    );
}

/// Within a start all are alike; the next one is another.
#[test]
fn several_starts_are_held_against_how_they_scatter() {
    let start = |cart: u64| -> Vec<Journey> { (0..20).map(|at| journey(cart + at)).collect() };
    let starts: Vec<Vec<Journey>> = [4_000_000, 6_000_000, 5_000_000].map(start).into();
    let runs: Vec<&[Journey]> = starts.iter().map(Vec::as_slice).collect();
    let of = |limit: &str, runs: &[&[Journey]]| compare(&plan(&format!("cart = {limit}\n")), runs)[0].verdict;
    // One start is sure of itself; three know that they can't be.
    assert_eq!(of("5.5", &runs[..1]), Conclusion::Within);
    assert_eq!((of("5.5", &runs), of("9.0", &runs), of("2.0", &runs)), {
        use Conclusion::{Inconclusive, Over, Within};
        (Inconclusive, Within, Over)
    });
    let text = table(&compare(&plan("cart = 5.5\n"), &runs), 60, 0, 3);
    assert!(text.contains("60 cold journeys of 3 starts") && !text.contains("this start"), "{text}");
}

#[test]
fn a_strange_journey_counts_in_the_total_alone() {
    let mut journeys: Vec<Journey> = (0..25).map(|_| journey(5_000_000)).collect();
    for slow in &mut journeys[..20] {
        slow.total_ns = 90_000_000;
        slow.parts[4].duration_ns = 85_000_000;
        slow.silent.push("lb".to_owned());
    }
    let lines = compare(&plan("cart = 9.0\ntotal = 20.0\n"), &[&journeys]);
    assert_eq!((lines[0].median_ms, lines[1].median_ms), (5.0, 90.0));
}
