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
    }
}

#[test]
fn only_journeys_in_whose_time_packets_were_lost_are_flagged() {
    let journeys = vec![journey(1_000), journey(5_000), journey(9_000)];
    let mut series = Series::of(journeys);
    mark(&mut series, &[]);
    assert_eq!(series.summary.as_ref().map(|summary| summary.flagged), Some(0));
    mark(&mut series, &[Lost { packets: 3, after: 5_500, before: 7_000 }]);
    let flagged: Vec<bool> = series.journeys.iter().map(|journey| !journey.anomalies.is_empty()).collect();
    assert_eq!(flagged, [false, true, false]);
    assert_eq!(series.summary.as_ref().map(|summary| summary.flagged), Some(1));
    assert_eq!(series.journeys[1].anomalies[0].hop, TAP);
}
