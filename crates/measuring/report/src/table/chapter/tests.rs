use crate::sample;
use crate::{Style, journey, table};

/// A measurement of one cold and one warm journey.
fn both() -> measure::Measured {
    let mut measured = sample::measured();
    for series in [&mut measured.cold, &mut measured.warm].into_iter().flatten() {
        series.journeys.truncate(1);
    }
    measured
}

#[test]
fn ten_rows_and_a_verdict_fit_one_screen() {
    let text = table(&both(), Style::default());
    assert!(text.lines().count() <= 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let rows: Vec<&str> = text.lines().skip(1).take(10).collect();
    assert!(rows[0].starts_with("  Browser ") && rows[9].starts_with("  total "), "{text}");
    assert!(rows[1].contains("0.037 ms") && rows[1].ends_with("5 ms  within"), "{text}");
    assert!(rows[1].contains('–'), "a warm journey has no DNS: {text}");
    assert!(text.contains("is within the chapter's 98 ms; every row is within its own."), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn what_is_over_is_named_with_by_how_much() {
    let mut slow = sample::warm(1);
    for part in slow.parts.iter_mut().filter(|part| part.name == "queue & wait") {
        part.duration_ns += 50_000_000;
    }
    slow.total_ns += 50_000_000;
    let text = journey(&slow, "warm", Style::default());
    let row = text.lines().find(|line| line.contains("Application")).expect("a row");
    assert!(row.ends_with("40 ms  over"), "{text}");
    // The chapter's figures of the rows that a warm request has.
    assert!(text.contains("over the chapter's 48 ms by"), "{text}");
    assert!(text.contains("Application processing +10.900 ms."), "{text}");
}

#[test]
fn many_journeys_fit_as_well_and_parts_come_behind() {
    let many = table(&sample::measured(), Style::default());
    assert!(many.lines().all(|line| line.chars().count() <= 80), "{many}");
    assert!(many.contains("cold mean") && many.contains("cold, total of 2 journeys: min"), "{many}");
    assert!(many.contains("in no row") && many.contains("–: 2 cannot tell; p50 takes 6,"), "{many}");
    let parts = table(&sample::measured(), Style::parts());
    assert!(
        parts.contains("queue & wait") && parts.find("cold mean") < parts.find("queue & wait"),
        "{parts}"
    );
    assert!(!many.contains("queue & wait"), "{many}");
}

#[test]
fn colours_change_no_character() {
    let coloured = table(&both(), Style { colour: true, ..Style::default() });
    let mut plain = String::new();
    for (at, text) in coloured.split('\x1b').enumerate() {
        plain += if at == 0 { text } else { text.split_once('m').expect("an escape sequence").1 };
    }
    assert_ne!(coloured, plain);
    assert_eq!(plain, table(&both(), Style::default()));
}
