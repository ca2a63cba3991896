//! Random topologies: any depth, layer-4 proxies, opaque programs, DNS, with and without the kernel's
//! stamps. What happened is made up first, so it is known which parts must come out, to the nanosecond.
//! Then spans get lost and stamps lie, and the parts must still tile.

use proptest::prelude::*;

use super::world::{Expected, World};
use super::*;

/// How many journeys each property is tried on.
const MANY: u32 = 10_000;

/// Stretches of the same thing in a row are one, and what took no time is nothing: how they are cut is
/// not what is tested here.
fn joined(parts: impl IntoIterator<Item = Expected>) -> Vec<Expected> {
    let mut joined: Vec<Expected> = Vec::new();
    for part in parts.into_iter().filter(|part| part.3 > 0) {
        match joined.last_mut() {
            Some(last) if (&last.0, last.1, &last.2) == (&part.0, part.1, &part.2) => last.3 += part.3,
            _ => joined.push(part),
        }
    }
    joined
}

fn put_together(spans: Vec<Span>, roster: &Roster) -> Journey {
    let mut index = Index::default();
    index.extend(spans);
    assemble(&index, roster, TRACE).expect("there is a root")
}

fn decisions() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(prop::num::u16::ANY, 0..400)
}

/// What goes wrong with one span.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Lost,
    /// One of its stamps is this much earlier or later than it was.
    Stamp(usize, i64),
    /// It says that it was this much earlier or later.
    Span(i64),
}

fn wrong() -> impl Strategy<Value = (prop::sample::Index, Wrong)> {
    let by = -3_000i64..3_000;
    let how = prop_oneof![
        Just(Wrong::Lost),
        (0usize..4, by.clone()).prop_map(|(which, by)| Wrong::Stamp(which, by)),
        by.prop_map(Wrong::Span),
    ];
    (any::<prop::sample::Index>(), how)
}

fn go_wrong(spans: &mut Vec<Span>, at: prop::sample::Index, how: Wrong) {
    // Not the first: without it, it is another journey.
    if spans.len() < 2 {
        return;
    }
    let at = at.index(spans.len() - 1) + 1;
    match how {
        Wrong::Lost => drop(spans.remove(at)),
        Wrong::Stamp(which, by) => {
            let count = spans[at].stamps.len().max(1);
            if let Some(stamp) = spans[at].stamps.get_mut(which % count) {
                stamp.at = stamp.at.saturating_add_signed(by);
            }
        }
        Wrong::Span(by) => {
            spans[at].start = spans[at].start.saturating_add_signed(by);
            spans[at].end = spans[at].end.saturating_add_signed(by);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: MANY, ..ProptestConfig::default() })]

    #[test]
    fn what_happened_is_what_comes_out(decisions in decisions(), order in prop::num::u64::ANY) {
        let mut world = World::journey(decisions);
        // They come in any order.
        let count = world.spans.len() as u64;
        world.spans.rotate_left((order % count) as usize);
        let journey = put_together(world.spans, &world.roster);
        tiles(&journey);
        prop_assert!(journey.anomalies.is_empty() && journey.sealed(), "{journey:?}");
        prop_assert_eq!(journey.unaccounted_ns, world.unaccounted.cast_signed());
        let parts = journey.parts.into_iter().map(|p| (p.hop, p.kind, p.name, p.duration_ns));
        prop_assert_eq!(joined(parts), joined(world.expected));
    }

    /// What the hops are called in the plan is a label: nothing else of the journey depends on it.
    #[test]
    fn roles_are_labels(decisions in decisions()) {
        let tiled = |role: fn(&str) -> String| {
            let world = World::with_roles(decisions.clone(), role);
            put_together(world.spans, &world.roster)
        };
        let plain = tiled(str::to_owned);
        for role in [|_: &str| "lb".to_owned(), |_: &str| "cart".to_owned(), |name: &str| format!("{name}?")] {
            let mut other = tiled(role);
            for (part, of_plain) in other.parts.iter_mut().zip(&plain.parts) {
                part.role.clone_from(&of_plain.role);
            }
            prop_assert_eq!(&other, &plain);
        }
    }

    #[test]
    fn whatever_is_lost_or_impossible_the_parts_tile(
        decisions in decisions(),
        wrongs in prop::collection::vec(wrong(), 1..12),
    ) {
        let mut world = World::journey(decisions);
        wrongs.into_iter().for_each(|(at, how)| go_wrong(&mut world.spans, at, how));
        tiles(&put_together(world.spans, &world.roster));
    }
}

/// The twin: a generator that made only short and simple journeys would prove nothing.
#[test]
fn the_made_up_journeys_have_everything_that_real_ones_have() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for _ in 0..1_000 {
        let world = World::journey(decisions().new_tree(&mut runner).expect("decisions").current());
        let part = |kind, name: &str| world.expected.iter().any(|p| p.1 == kind && p.2.contains(name));
        let stamped = |event| world.spans.iter().flat_map(|s| &s.stamps).any(|stamp| stamp.event == event);
        let calls = world.spans.iter().filter(|span| span.kind == Kind::Client).count();
        for (what, there) in [
            ("accept queue", part(PartKind::Wait, name::ACCEPT_QUEUE)),
            ("connect", part(PartKind::Wait, "connect")),
            ("wake-up", part(PartKind::Wake, name::WAKE_UP)),
            ("opaque, passing on", part(PartKind::Opaque, "(response)")),
            ("opaque, answering", world.expected.iter().any(|p| p.1 == PartKind::Opaque && p.2.is_empty())),
            ("relay", part(PartKind::Leg, "→ relay")),
            ("two relays in a row", world.expected.iter().any(|p| p.2.matches("relay").count() == 2)),
            ("DNS", world.spans.iter().any(Span::is_datagram)),
            ("no kernel stamps at all", calls > 0 && !stamped(Event::Rx)),
            ("many calls", calls > 10),
            ("unaccounted", world.unaccounted > 0),
        ] {
            *seen.entry(what).or_default() += usize::from(there);
        }
    }
    assert!(seen.values().all(|count| *count >= 10), "of 1000: {seen:?}");
}
