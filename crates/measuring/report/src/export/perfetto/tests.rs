use std::collections::BTreeMap;

use super::*;
use crate::sample;

fn events(phase: &str) -> Vec<Value> {
    let trace = write(&sample::measured());
    let all = trace["traceEvents"].as_array().expect("events").clone();
    all.into_iter().filter(|event| event["ph"] == phase).collect()
}

fn ns(value: &Value) -> u64 {
    (value.as_f64().expect("a number") * 1e3).round() as u64
}

#[test]
fn every_part_is_one_event_of_its_hop() {
    let measured = sample::measured();
    let names: BTreeMap<u64, String> = events("M")
        .iter()
        .filter(|event| event["name"] == "process_name")
        .filter_map(|event| Some((event["pid"].as_u64()?, event["args"]["name"].as_str()?.to_owned())))
        .collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let complete = events("X");
    let parts: Vec<&Part> = measured.journeys().flat_map(|journey| &journey.parts).collect();
    let told: Vec<&Value> =
        complete.iter().filter(|event| event["cat"] != "journey" && event["cat"] != "stage").collect();
    assert_eq!(told.len(), parts.len());
    for (event, part) in told.iter().zip(parts) {
        assert_eq!(names[&event["pid"].as_u64().expect("a process")], part.hop);
        assert_eq!(ns(&event["dur"]), part.duration_ns);
    }
}

#[test]
fn nothing_on_a_thread_overlaps() {
    let mut threads: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
    for event in events("X") {
        let place = (event["pid"].as_u64().expect("a pid"), event["tid"].as_u64().expect("a tid"));
        threads.entry(place).or_default().push((ns(&event["ts"]), ns(&event["ts"]) + ns(&event["dur"])));
    }
    assert_eq!(threads.len(), 4 + 3 * 2, "the browser has four: {threads:?}");
    for (place, mut times) in threads {
        times.sort_unstable();
        assert!(times.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{place:?}: {times:?}");
    }
}

#[test]
fn an_arrow_leads_into_every_leg() {
    let legs =
        sample::measured().journeys().flat_map(|j| &j.parts).filter(|p| p.kind == PartKind::Leg).count();
    let (from, to) = (events("s"), events("f"));
    assert_eq!((from.len(), to.len()), (legs, legs));
    let complete = events("X");
    for (from, to) in from.iter().zip(&to) {
        assert_eq!((&from["id"], &to["bp"]), (&to["id"], &json!("e")));
        for end in [from, to] {
            let encloses = |event: &&Value| {
                event["pid"] == end["pid"]
                    && event["tid"] == end["tid"]
                    && (ns(&event["ts"])..=ns(&event["ts"]) + ns(&event["dur"])).contains(&ns(&end["ts"]))
            };
            assert!(complete.iter().any(|event| encloses(&event)), "{end} has nothing to hold on to");
        }
    }
}

/// A batch that two journeys share is there once, on a thread of its own beside what was there.
#[test]
fn what_nobody_waited_for_has_a_thread_of_its_own() {
    let before = events("X");
    let trace = write(&sample::settled());
    let all = trace["traceEvents"].as_array().expect("events");
    let (after, rest): (Vec<&Value>, Vec<&Value>) =
        all.iter().filter(|event| event["ph"] == "X").partition(|event| event["tid"] == AFTER);
    assert_eq!(rest, before.iter().collect::<Vec<_>>());
    let names: Vec<&str> = after.iter().filter_map(|event| event["name"].as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names[0] == "confirm <reservations>" && names[1].starts_with("stock: "), "{names:?}");
    assert_eq!((after[0]["args"]["requests"].as_u64(), ns(&after[0]["dur"])), (Some(2), 5_000_000));
}
