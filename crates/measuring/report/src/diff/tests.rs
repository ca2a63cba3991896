use journey::TraceId;
use measure::diff::{Diff, Run, Wanted, diff};
use measure::{Measured, Series};

use super::table;
use crate::{Style, sample};

/// Warm journeys of one start, whose first part takes `longer` and a little that differs from one to the next.
fn run(start: u8, longer: u64) -> Run {
    let journey = |number: u64| {
        let mut journey = sample::warm(start);
        let more = longer + number * 7_919 % 1_000 + u64::from(start % 4) * 2_000;
        journey.parts[0].duration_ns += more;
        journey.total_ns += more;
        journey.trace_id = TraceId([start; 16]);
        journey
    };
    let mut measured =
        Measured { cold: None, warm: Some(Series::of((0..20).map(journey).collect())), ..sample::measured() };
    measured.hops[0].pid = Some(u32::from(start));
    Run::of(&measured).expect("the form")
}

fn compared(runs: u8, longer: u64) -> Diff {
    let side = |first: u8, longer| (first..first + runs).map(|start| run(start, longer)).collect::<Vec<_>>();
    diff(&side(1, 0), &side(101, longer), Wanted::default()).expect("comparable")
}

#[test]
fn each_row_has_a_verdict_with_its_statistic() {
    let text = table(&compared(5, 500_000), Style::default());
    assert!(text.starts_with("warm: slower by 0.500 ms (+44.0 %)"), "{text}");
    let row = |name: &str| text.lines().find(|line| line.starts_with(name)).expect("a row").to_owned();
    assert!(row("  Browser").ends_with("  slower") && row("  Browser").contains("+0.500   ±0.00"), "{text}");
    assert!(row("  Application").ends_with("≤ 0.000"), "{text}");
    assert!(text.contains("Welch") && text.contains("Bonferroni") && text.contains("row 99.00 %"), "{text}");
    assert!(!text.contains("queue & wait"), "{text}");
    let parts = table(&compared(5, 500_000), Style::parts());
    assert!(parts.contains("queue & wait") && parts.contains("part 99."), "{parts}");
    for text in [text, parts] {
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}

#[test]
fn no_difference_is_said_with_its_size_and_too_little_is_undecided() {
    let text = table(&compared(5, 0), Style::default());
    assert!(text.starts_with("warm: no difference larger than 0.0"), "{text}");
    // Two starts that scatter by seconds; the widest numbers and words fit a line.
    let side = |first: u8| [run(first, 0), run(first + 1, 9_000_000_000)];
    let wild = diff(&side(1), &side(101), Wanted::default()).expect("comparable");
    let text = table(&wild, Style::parts());
    assert!(text.starts_with("warm: undecided") && text.contains("  undecided\n"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn one_run_a_side_shows_differences_and_says_what_would_decide() {
    let text = table(&compared(1, 500_000), Style::default());
    assert!(text.starts_with("warm: no verdict") && text.contains("+0.500"), "{text}");
    assert!(!text.contains(" slower\n") && !text.contains("Intervals"), "{text}");
    assert!(
        text.contains("No verdict: one run of a side cannot tell") && text.contains("`lab compare`"),
        "{text}"
    );
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}
