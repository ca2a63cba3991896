use journey::{Counts, Journey};

use super::*;

fn journey(start: u64) -> Journey {
    Journey {
        trace_id: TraceId([1; 16]),
        name: "POST /cart/items".to_owned(),
        start_unix_ns: start,
        total_ns: 1_000,
        unaccounted_ns: 0,
        status: Some(201),
        parts: Vec::new(),
        counts: Counts::default(),
        silent: Vec::new(),
        awaited: Vec::new(),
        anomalies: Vec::new(),
        disturbances: Vec::new(),
        after: Vec::new(),
        outstanding: 0,
    }
}

#[test]
fn journeys_in_whose_time_packets_were_lost_are_marked_and_count() {
    let journeys = vec![journey(1_000), journey(5_000), journey(9_000)];
    let mut series = Series::of(journeys);
    let counts = |series: &Series| {
        let summary = series.summary.as_ref().expect("clean ones");
        (summary.total.count, summary.undisturbed.count, summary.disturbed, summary.flagged)
    };
    mark(&mut series, &[]);
    assert_eq!(counts(&series), (3, 3, 0, 0));
    mark(&mut series, &[Lost { packets: 3, after: 5_500, before: 7_000 }]);
    let marked: Vec<bool> = series.journeys.iter().map(|journey| !journey.undisturbed()).collect();
    assert_eq!(marked, [false, true, false]);
    assert_eq!(counts(&series), (3, 2, 1, 0));
    assert_eq!(series.journeys[1].disturbances[0].hop, TAP);
}
