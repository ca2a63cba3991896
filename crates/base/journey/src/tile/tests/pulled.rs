//! Random stacks in which everyone without trace context sends nothing and is queried: it gives the same journey.

use std::collections::HashSet;

use proptest::prelude::*;

use super::slots::{Program, Stack, programs};
use super::*;
use crate::index::Wanted;

/// What is sent, and what is kept until somebody asks.
fn split(spans: Vec<Span>, roster: &Roster) -> (Vec<Span>, Vec<Span>) {
    let keeps = |span: &Span| span.trace_id != TRACE && roster.named(&span.hop).is_some_and(|hop| hop.keeps);
    let (kept, sent) = spans.into_iter().partition(keeps);
    (sent, kept)
}

/// As a flight recorder answers.
fn answers(span: &Span, wanted: &Wanted) -> bool {
    let touches = |flow| span.stamps.iter().any(|stamp| stamp.flow == flow);
    wanted.hop == span.hop
        && wanted.flow.is_none_or(touches)
        && span.start <= wanted.to
        && span.end >= wanted.from
}

/// Asks until nothing new is wanted; how many rounds that took.
fn pull(index: &mut Index, roster: &Roster, kept: &[Span]) -> usize {
    let mut queried = HashSet::new();
    for round in 0.. {
        let wanted: Vec<Wanted> =
            index.wanted(roster, TRACE).into_iter().filter(|it| queried.insert(it.clone())).collect();
        if wanted.is_empty() {
            return round;
        }
        let found = kept.iter().filter(|span| wanted.iter().any(|wanted| answers(span, wanted)));
        index.extend(found.cloned());
    }
    unreachable!()
}

fn pulled(stack: Stack) -> (Journey, Journey, usize, usize) {
    let all = assembled(stack.spans.clone(), &stack.roster);
    // Others' traffic, at another time on other connections, is nobody's business here.
    let (sent, mut kept) = split(stack.spans, &stack.roster);
    let others = kept.len();
    kept.extend((0..50).map(|n| relay("hop-3", 9_000 + n, flow(7), flow(8), Direction::Request, (5, 6))));
    let mut index = Index::default();
    index.extend(sent);
    let before = index.len();
    pull(&mut index, &stack.roster, &kept);
    let journey = assemble(&index, &stack.roster, TRACE).expect("a journey");
    (all, journey, index.len() - before, others)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_asked_for_gives_the_same_journey_as_what_is_sent(
        program in programs(),
        times in prop::collection::vec(prop::num::u16::ANY, 0..300),
    ) {
        let (sent, queried, found, kept) = pulled(Stack::journey(&program, times));
        prop_assert_eq!(&sent, &queried, "{:#?}", program);
        prop_assert!(found <= kept, "{found} of {kept}: others' exchanges were queried for");
    }
}

/// The twin: without asking, programs are missing, and the journey says which.
#[test]
fn without_asking_the_journeys_differ_and_say_so() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut differ, mut silent) = (0, 0);
    for _ in 0..500 {
        let program: Program = programs().new_tree(&mut runner).expect("a stack").current();
        let stack = Stack::journey(&program, vec![3, 1, 4, 1, 5]);
        let all = assembled(stack.spans.clone(), &stack.roster);
        let (sent, kept) = split(stack.spans, &stack.roster);
        let without = assembled(sent, &stack.roster);
        differ += usize::from(all.parts != without.parts);
        silent += usize::from(!without.complete() && !kept.is_empty());
    }
    assert!(differ > 50 && silent > 50, "of 500: {differ} differ, {silent} say who is missing");
}
