use super::*;
use crate::sample;

#[test]
fn a_page_fetches_nothing_and_runs_nothing() {
    let page = write(&sample::measured());
    for way in ["<script", "<link", "<iframe", "<img", " src=", " href=", "url(", "@import", "<form"] {
        assert!(!page.contains(way), "{way} in the page");
    }
    assert!(
        page.contains("Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"")
    );
}

#[test]
fn names_are_shown_and_never_become_part_of_the_page() {
    let page = write(&sample::measured());
    for raw in ["<pod>", "<script>", "queue & wait"] {
        assert!(!page.contains(raw), "{raw} came through");
    }
    for shown in ["&lt;pod&gt;", "&lt;script&gt;alert(1)&lt;/script&gt;", "queue &amp; wait"] {
        assert!(page.contains(shown), "{shown} is missing");
    }
    assert!(page.contains("ingress did not report"));
}

#[test]
fn every_part_of_the_shown_journeys_has_a_row_and_a_bar() {
    let measured = sample::measured();
    let page = write(&measured);
    let shown: Vec<_> = kinds(&measured).filter_map(|(_, series)| typical(series)).collect();
    let parts: usize = shown.iter().map(|journey| journey.parts.len()).sum();
    assert_eq!(page.matches("<tr title=").count(), parts);
    let runs: usize = shown.iter().map(|j| j.parts.chunk_by(|a, b| a.stage == b.stage).count()).sum();
    assert_eq!(page.matches("<span class=\"bar ").count(), parts + runs);
    assert_eq!(page.matches("<figure>").count(), 2);
}

#[test]
fn what_the_packets_say_is_shown_where_they_were_captured() {
    let mut measured = sample::measured();
    assert!(!write(&measured).contains("What the packets say"));
    measured.tap = Some(measure::packets::Tap { packets: 123, ..Default::default() });
    assert!(write(&measured).contains("Packets on loopback: 123 seen"));
}

#[test]
fn a_flagged_journey_stands_for_none_but_itself() {
    let mut measured = sample::measured();
    measured.cold = None;
    let page = write(&measured);
    assert!(page.contains("trace 03030303030303030303030303030303"), "the clean one is shown");
    assert!(page.contains("1 of 2 journeys are flagged"));
    assert!(page.contains("<dd>1 of 2</dd>"));
}

#[test]
fn a_page_has_no_percentile_that_its_count_cannot_carry() {
    let page = write(&sample::measured());
    assert!(page.contains("<dt>99 % within</dt><dd>–</dd>"), "two have no p99");
    assert!(page.contains("–: 2 cannot tell; p50 takes 6, p90 takes 36, p99 takes 368"));
    assert!(!page.contains("class=\"mark\""), "nor is one drawn");
    let many = (0..40).map(|_| sample::warm(1)).collect();
    let page = write(&measure::Measured { warm: Some(measure::Series::of(many)), ..sample::measured() });
    assert!(page.contains(">p90<") && !page.contains(">p99<"), "forty have a p90");
}

#[test]
fn nothing_measured_is_still_a_page() {
    let mut measured = sample::measured();
    (measured.cold, measured.warm) = (None, None);
    assert!(write(&measured).contains("nothing was measured"));
}

/// 400 pixels have room for who and for how long; a drawing that is half as wide has letters twice as large.
#[test]
fn a_telephone_shows_the_times() {
    let page = include_str!("page.css");
    let (_, narrow) = page.split_once("@media (max-width: 40rem)").expect("rules for a telephone");
    let hidden = narrow.lines().find(|line| line.contains(".waterfall") && line.contains("display: none"));
    let hidden = hidden.expect("columns that a telephone has no room for");
    assert!(
        hidden.contains("nth-child(2)") && !hidden.contains("nth-child(3)"),
        "the third is the time: {hidden}"
    );
    assert!(narrow.contains("svg text { font-size: 28px; }"), "{narrow}");
}

#[test]
fn what_nobody_waited_for_is_below_the_journey() {
    let (without, page) = (write(&sample::measured()), write(&sample::settled()));
    assert!(!without.contains("not waited for") && page.contains("Done for it, and not waited for"));
    assert!(page.contains("pod: confirm &lt;reservations&gt;, begun at"), "names are text");
}
