use super::*;
use crate::sample;

/// A time of the archive in nanoseconds; `None` for -1.
fn ns(value: &Value) -> Option<i64> {
    let time = value.as_f64().expect("a number");
    (time >= 0.0).then_some((time * 1e6).round() as i64)
}

#[test]
fn timings_add_up_and_ssl_is_within_connect() {
    let archive = write(&sample::measured());
    let entries = archive["log"]["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 4);
    for entry in entries {
        let timings = &entry["timings"];
        let counted = ["blocked", "dns", "connect", "send", "wait", "receive"];
        let sum: i64 = counted.iter().filter_map(|name| ns(&timings[name])).sum();
        assert_eq!(Some(sum), ns(&entry["time"]), "{timings}");
        if let Some(ssl) = ns(&timings["ssl"]) {
            assert!(ns(&timings["connect"]).is_some_and(|connect| connect >= ssl), "{timings}");
        }
    }
    // Two clocks may disagree about the end; the parts are then what counts.
    assert_eq!(ns(&entries[0]["time"]), entries[0]["_totalNs"].as_i64());
    assert_eq!(ns(&entries[1]["time"]), entries[1]["_totalNs"].as_i64().map(|total| total + 40));
}

#[test]
fn steps_that_were_not_taken_do_not_apply() {
    let archive = write(&sample::measured());
    let (cold, warm) = (&archive["log"]["entries"][0], &archive["log"]["entries"][2]);
    for step in ["dns", "connect", "ssl"] {
        assert!(ns(&cold["timings"][step]).is_some_and(|time| time > 0), "{cold}");
        assert_eq!(warm["timings"][step], -1, "{warm}");
    }
    assert_eq!(ns(&cold["timings"]["receive"]), Some(20_001 + 10_001));
    assert_eq!(ns(&cold["timings"]["send"]), Some(9_007 + 50_021));
}

#[test]
fn an_entry_says_what_was_asked_and_of_whom() {
    let archive = write(&sample::measured());
    let entry = &archive["log"]["entries"][0];
    assert_eq!(entry["request"]["method"], "POST");
    assert_eq!(entry["request"]["url"], "https://api.myshop.com:8443/cart/items");
    assert_eq!(
        (&entry["response"]["status"], &entry["response"]["statusText"]),
        (&json!(201), &json!("Created"))
    );
    assert_eq!(entry["serverIPAddress"], "127.0.113.50");
    assert_eq!(entry["startedDateTime"], "2026-11-23T00:00:00.133456Z");
    assert_eq!(entry["_parts"].as_array().map(Vec::len), Some(16));
}

#[test]
fn a_size_that_is_not_known_is_minus_one_and_not_nothing() {
    let mut measured = sample::measured();
    for journey in measured.warm.iter_mut().flat_map(|series| &mut series.journeys) {
        journey.counts.response_bytes = Some(812);
    }
    let archive = write(&measured);
    let size = |at: usize| archive["log"]["entries"][at]["response"]["_transferSize"].as_i64();
    assert_eq!((size(0), size(2)), (Some(-1), Some(812)), "cold ones have none in this sample");
}

#[test]
fn what_nobody_waited_for_is_no_part_of_an_entry_s_time() {
    let entries = |measured| write(&measured)["log"]["entries"].clone();
    let (without, with) = (entries(sample::measured()), entries(sample::settled()));
    assert_eq!(with[2]["_after"][0]["duration_ns"], 5_000_000);
    assert_eq!((&with[2]["time"], &with[2]["timings"]), (&without[2]["time"], &without[2]["timings"]));
}
