use measure::diff::diff;
use measure::{Measured, Series};

use super::table;
use crate::sample;

/// `count` warm journeys, whose first part takes `longer` and a little that differs from one to the next.
fn measured(longer: u64, count: u64) -> Measured {
    let journey = |number: u64| {
        let mut journey = sample::warm(1);
        let more = longer + number * 7_919 % 1_000;
        journey.parts[0].duration_ns += more;
        journey.total_ns += more;
        journey
    };
    Measured { cold: None, warm: Some(Series::of((0..count).map(journey).collect())), ..sample::measured() }
}

#[test]
fn the_verdict_stands_there_with_its_statistic() {
    let text = table(&diff(&measured(0, 200), &measured(500_000, 200), 0.02).expect("comparable"));
    assert!(text.contains("slower") && text.contains("Bonferroni") && text.contains("95 %"), "{text}");
}

#[test]
fn too_few_journeys_have_no_interval() {
    let text = table(&diff(&measured(0, 5), &measured(500_000, 5), 0.02).expect("comparable"));
    assert!(text.contains("too few journeys"), "{text}");
}
