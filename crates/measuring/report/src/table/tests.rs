use journey::{Anomaly, Percentiles};
use measure::machine::Machine;
use measure::open_loop::OpenLoop;

use super::*;
use crate::sample;

#[test]
fn the_machine_is_told_in_cores_and_waits() {
    let line = machine(&Machine { cores: 2, ..Machine::default() });
    assert!(line.contains("2 cores") && line.contains("(p90 –)"), "{line}");
}

/// As many warm journeys, each a little slower than the one before.
fn many(count: u64) -> Measured {
    let journey = |number: u64| {
        let mut journey = sample::warm(1);
        journey.parts[0].duration_ns += number * 1_000;
        journey.total_ns += number * 1_000;
        journey
    };
    Measured { cold: None, warm: Some(Series::of((0..count).map(journey).collect())), ..sample::measured() }
}

fn shown(measured: &Measured) -> String {
    table(measured, Style::parts()).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Each percentile appears with the first count that carries it, and a dash says why it is not there before.
#[test]
fn a_table_has_no_percentile_that_its_count_cannot_carry() {
    for (count, said) in [(5, "p50 – · p90 – · p99 – ·"), (6, " ms · p90 – · p99 – ·"), (36, " ms · p99 – ·")]
    {
        let text = shown(&many(count));
        assert!(text.contains(said) && text.contains(&format!("–: {count} cannot tell;")), "{text}");
        assert!(text.contains("p99 takes 368"), "{text}");
    }
    let text = shown(&many(368));
    assert!(!text.contains("cannot tell") && text.contains("· p99 1.497 ms"), "{text}");
    assert!(shown(&many(5)).contains("the mean is that of all 5"), "a column that adds up");
}

#[test]
fn both_are_shown_all_and_the_undisturbed() {
    let mut measured = many(40);
    let series = measured.warm.as_mut().expect("warm");
    let slow = &mut series.journeys[9];
    slow.total_ns += 363_000_000;
    let (hop, what) = ("machine".to_owned(), "a core was taken".to_owned());
    slow.disturbances.push(Anomaly { hop, what, by_ns: 10_000_000 });
    *series = Series::of(std::mem::take(&mut series.journeys));
    let text = shown(&measured);
    assert!(text.contains("warm, total of 40 journeys: min") && text.contains("max 364.1"), "{text}");
    assert!(text.contains("1 of 40 were disturbed") && text.contains("the 39 undisturbed: min"), "{text}");
}

#[test]
fn a_rate_says_of_how_many_its_figures_are() {
    let mut measured = many(10);
    let series = measured.warm.as_mut().expect("warm");
    let all = Percentiles::of((1..=4_000).collect());
    let few = Percentiles { count: 3_000, p999_ns: None, ..all };
    series.open_loop = Some(OpenLoop {
        wanted_per_second: 100.0,
        achieved_per_second: 90.0,
        connections: 16,
        sent: 4_000,
        answered: 3_000,
        failed: 1_000,
        first_failure: None,
        most_at_once: 1,
        most_waiting: 0,
        response: few,
        service: few,
        pacing: all,
        unsent: 77,
        stopped: Some("too slow".to_owned()),
    });
    if let Some(summary) = &mut series.summary {
        summary.total = few;
    }
    let text = shown(&measured);
    for said in [
        "warm, total of 3000 requests:",
        "rows: of 10 journeys that were recorded whole",
        "response, from when a request was due, of 3000:",
        "p99.9 – ",
        "–: 3000 cannot tell; p99.9 takes 3688",
        "77 were due and are in no figure",
    ] {
        assert!(text.contains(said), "no {said:?} in {text}");
    }
}

/// What is below nothing is shown so: clocks that disagree are not made to agree by taking the sign away.
#[test]
fn unaccounted_time_below_zero_keeps_its_sign() {
    let mut measured = many(40);
    let series = measured.warm.as_mut().expect("warm");
    for journey in &mut series.journeys {
        journey.total_ns -= 50_000;
        journey.unaccounted_ns -= 50_000;
    }
    *series = Series::of(std::mem::take(&mut series.journeys));
    let text = shown(&measured);
    assert!(text.contains("unaccounted: p50 -0.050 ms"), "{text}");
    let row = text.split("unaccounted ").last().expect("the row");
    assert!(row.starts_with('-') && row.contains(" -0.050 "), "{row}");
}

/// What nobody waited for is said, below a total that is what it was without.
#[test]
fn what_is_done_afterwards_stands_below_and_changes_nothing_above() {
    let (without, with) = (sample::measured(), sample::settled());
    let first = |measured: &Measured| measured.warm.as_ref().expect("warm").journeys[0].clone();
    let [without_it, with_it] = [&without, &with].map(|it| journey(&first(it), "warm", Style::parts()));
    let (above, below) = with_it.split_once("  Done for it, and not waited for").expect("it is said");
    assert!(without_it.starts_with(above), "{with_it}");
    assert!(
        below.contains("pod: confirm <reservations>, begun at ") && below.contains("for 2 requests at once"),
        "{below}"
    );
    assert!(below.contains("stock") && below.contains("and 1 more that had not been done"), "{below}");
    assert!(!without_it.contains("not waited for"), "nothing is said of nothing");
    assert!(shown(&with).contains("not waited for, and in no figure: cart: confirm <reservations>, 2 times"));
    assert!(!shown(&without).contains("not waited for"));
}
