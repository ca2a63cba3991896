//! Broken twins: a checker that cannot fail proves nothing, so each is given what it must catch.

use journey::{Anomaly, Counts, Journey, Part, PartKind, Quality, Stage, TraceId};

use super::{handed_on, once, sound, tiled, unremarkable};

fn part(hop: &str, kind: PartKind, name: &str, (start_ns, duration_ns): (u64, u64), depth: u16) -> Part {
    let (hop, name) = (hop.to_owned(), name.to_owned());
    let (role, stage, quality) = (hop.clone(), Stage::ToPod, Quality::User);
    Part { hop, role, kind, name, stage, start_ns, duration_ns, quality, depth }
}

/// browser → lb → browser in 100 ns, of which 4 between the browser's own parts are nobody's.
fn good() -> Journey {
    Journey {
        trace_id: TraceId([1; 16]),
        name: "POST /cart/items".to_owned(),
        start_unix_ns: 1_000,
        total_ns: 100,
        unaccounted_ns: 4,
        status: Some(201),
        parts: vec![
            part("browser", PartKind::Own, "stub cache", (0, 6), 0),
            part("browser", PartKind::Own, "", (10, 10), 0),
            part("lb", PartKind::Leg, "browser → lb", (20, 20), 1),
            part("lb", PartKind::Own, "", (40, 30), 1),
            part("browser", PartKind::Leg, "lb → browser", (70, 20), 1),
            part("browser", PartKind::Own, "", (90, 10), 0),
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

/// The good journey, spoilt.
fn spoilt(spoil: impl FnOnce(&mut Journey)) -> Journey {
    let mut journey = good();
    spoil(&mut journey);
    journey
}

fn complaint(checked: anyhow::Result<impl Sized>) -> String {
    checked.err().map_or_else(String::new, |error| format!("{error:#}"))
}

#[test]
fn the_good_one_passes() {
    sound(&good()).expect("it is sound");
    assert_eq!(handed_on(&good()).expect("it is sound"), ["browser", "lb", "browser"]);
}

#[test]
fn an_overlap_is_caught() {
    let twin = spoilt(|journey| journey.parts[3].start_ns -= 5);
    assert!(complaint(tiled(&twin)).contains("5 ns before its predecessor ends"));
}

#[test]
fn a_gap_inside_the_stack_is_caught() {
    let twin = spoilt(|journey| {
        journey.parts[3].start_ns += 5;
        journey.parts[3].duration_ns -= 5;
        journey.unaccounted_ns += 5;
    });
    assert!(complaint(tiled(&twin)).contains("5 ns before lb self are nobody's"));
}

#[test]
fn a_sum_that_is_not_the_total_is_caught() {
    let twin = spoilt(|journey| journey.unaccounted_ns = 0);
    assert!(complaint(tiled(&twin)).contains("make 96 ns, the total is 100 ns"));
    let twin = spoilt(|journey| {
        journey.parts[5].duration_ns += 2_000;
        journey.unaccounted_ns -= 2_000;
    });
    assert!(complaint(tiled(&twin)).contains("unaccounted is -1996 ns"), "more parts than time");
}

#[test]
fn a_gap_that_is_not_unaccounted_is_caught() {
    let twin = spoilt(|journey| {
        for part in &mut journey.parts[1..] {
            part.start_ns += 2_000;
        }
    });
    assert!(complaint(tiled(&twin)).contains("gaps of 2004 ns"), "{}", complaint(tiled(&twin)));
}

#[test]
fn time_of_a_hop_that_does_not_have_the_request_is_caught() {
    let twin = spoilt(|journey| journey.parts[3].hop = "ingress".to_owned());
    assert!(complaint(handed_on(&twin)).contains("is ingress's, but lb has the request"));
}

#[test]
fn a_leg_from_elsewhere_and_a_response_that_stays_away_are_caught() {
    let twin = spoilt(|journey| journey.parts[4].name = "ingress → browser".to_owned());
    assert!(complaint(handed_on(&twin)).contains("but lb has the request"));
    let twin = spoilt(|journey| journey.parts.truncate(4));
    assert!(complaint(handed_on(&twin)).contains("browser asked, the response ends at"));
}

#[test]
fn a_call_without_a_caller_is_caught() {
    let twin = spoilt(|journey| journey.parts[3].depth = 3);
    assert!(complaint(handed_on(&twin)).contains("3 calls deep"));
}

#[test]
fn silence_anomalies_and_errors_are_caught() {
    let twin = spoilt(|journey| journey.silent.push("lb".to_owned()));
    assert!(complaint(unremarkable(&twin)).contains("did not report"));
    let twin = spoilt(|journey| {
        let what = "an answer before its question".to_owned();
        journey.anomalies.push(Anomaly { hop: "lb".to_owned(), what, by_ns: 1 });
    });
    assert!(complaint(unremarkable(&twin)).contains("before its question"));
    let twin = spoilt(|journey| journey.status = Some(502));
    assert!(complaint(unremarkable(&twin)).contains("502"));
}

#[test]
fn only_repeated_exchanges_are_one() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        once(&words("pod redis pod redis pod redis pod kafka pod")),
        ["pod", "redis", "pod", "kafka", "pod"]
    );
    assert_eq!(once(&words("pod redis pod kafka pod redis pod")).len(), 7);
}
