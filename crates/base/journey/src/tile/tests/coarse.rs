//! Programs whose spans begin at whole milliseconds, as those of OpenTelemetry's SDK for JavaScript do.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::slots::{Program, Stack, programs};
use super::*;

const MILLISECOND: u64 = 1_000_000;

/// The same stack at another time, its spans without stamps as such a program reports them.
fn coarse(spans: &[Span], later: u64) -> Vec<Span> {
    let mut spans = spans.to_vec();
    let stamped = stamped_by(&spans);
    for span in &mut spans {
        span.start += later;
        span.end += later;
        span.stamps.iter_mut().for_each(|stamp| stamp.at += later);
        if span.hop != "browser" && !stamped.contains(&*span.hop) {
            let cut = span.start % MILLISECOND;
            span.start -= cut;
            span.end -= cut;
        }
    }
    spans
}

fn stamped_by(spans: &[Span]) -> BTreeSet<String> {
    spans.iter().filter(|span| !span.stamps.is_empty()).map(|span| span.hop.to_string()).collect()
}

/// What everybody with stamps had, without the way from and to others.
fn owned(journey: &Journey, stamped: &BTreeSet<String>) -> Vec<(String, PartKind, u64)> {
    let mut owned = std::collections::BTreeMap::new();
    for part in journey.parts.iter().filter(|part| part.kind != PartKind::Leg && stamped.contains(&part.hop))
    {
        *owned.entry((part.hop.clone(), part.kind)).or_default() += part.duration_ns;
    }
    owned.into_iter().map(|((hop, kind), time)| (hop, kind, time)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_of_milliseconds_takes_nothing_from_others(
        program in programs(),
        times in prop::collection::vec(prop::num::u16::ANY, 0..300),
        later in 7 * MILLISECOND..8 * MILLISECOND - 100_000,
    ) {
        // Of two moments in a millisecond that nobody else saw, nobody tells the order.
        prop_assume!(program.all(&|it| it.calls_nobody_coarse()));
        let stack = Stack::journey(&program, times);
        let exact = assembled(stack.spans.clone(), &stack.roster);
        let journey = assembled(coarse(&stack.spans, later), &stack.roster);
        tiles(&journey);
        prop_assert!(journey.anomalies.is_empty() && journey.sealed(), "{program:#?}\n{journey:#?}");
        let stamped = stamped_by(&stack.spans);
        prop_assert_eq!(owned(&journey, &stamped), owned(&exact, &stamped), "{:#?}", program);
    }
}

/// The twin: only whole milliseconds are taken for such a clock, and only by less than one.
#[test]
fn what_no_coarse_clock_explains_is_an_anomaly() {
    let pod = Program::leaf_with_spans();
    let stack = Stack::journey(&pod, vec![400; 20]);
    let moved = |by: u64| {
        let mut spans = coarse(&stack.spans, 7 * MILLISECOND + 500_000);
        for span in spans.iter_mut().filter(|span| span.kind == Kind::Server) {
            span.start -= by;
        }
        assembled(spans, &stack.roster).anomalies.len()
    };
    assert_eq!((moved(0) == 0, moved(1) > 0, moved(MILLISECOND) > 0), (true, true, true));
}
