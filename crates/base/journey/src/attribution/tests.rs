use super::*;
use crate::example;

fn series(cart_us: impl IntoIterator<Item = u64>) -> Vec<Journey> {
    cart_us.into_iter().map(example).collect()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_delay_is_where_it_is_and_nowhere_else() {
    let attribution = Attribution::between(&series(100..121), &series(5_100..5_121));
    attribution.only("cart", 5 * MS, MS).expect("it is there");
    attribution.only("cart-pod-abc12", 5 * MS, MS).expect("by its name, too");
    let moved = attribution.moved(MS);
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].0.to_string(), "cart-pod-abc12: validate (self)");
    assert_eq!(moved[0].1.difference_ns, 5_000_000);
    // Everything that can be claimed wrongly.
    let error = |hop, by| attribution.only(hop, by, MS).expect_err("wrong").to_string();
    assert!(error("lb", 5 * MS).contains("lb moved by +0.000 ms"));
    assert!(error("cart", 7 * MS).contains("not for certain 7ms"));
}

#[test]
fn a_delay_that_has_spread_is_noticed() {
    let before = series(100..121);
    let mut after = series(5_100..5_121);
    for part in after.iter_mut().flat_map(|journey| &mut journey.parts) {
        if part.hop == "lb" && part.kind == PartKind::Leg {
            part.duration_ns += 1_500_000;
        }
    }
    let error = Attribution::between(&before, &after).only("cart", 5 * MS, MS).expect_err("two keys");
    assert!(error.to_string().contains("so did others: legs to lb +3.000 ms"), "{error}");
}

#[test]
fn too_few_journeys_prove_nothing() {
    let attribution = Attribution::between(&series(0..5), &series(5_000..5_005));
    assert!(attribution.only("cart", 5 * MS, MS).is_err());
    assert!(attribution.moved(MS).is_empty());
    assert!(Attribution::between(&[], &series(0..9)).only("cart", 5 * MS, MS).is_err());
}

#[test]
fn replicas_are_one_place() {
    let mut before = series(100..121);
    for part in before[3].parts.iter_mut().filter(|part| part.role == "cart") {
        part.hop = "cart-pod-def34".to_owned();
    }
    let attribution = Attribution::between(&before, &series(5_100..5_121));
    assert!(attribution.keys().iter().all(|key| key.role != "cart" || key.hop == "cart"));
    attribution.only("cart", 5 * MS, MS).expect("whichever pod it was");
}

#[test]
fn what_became_faster_has_moved_too() {
    let attribution = Attribution::between(&series(5_100..5_121), &series(100..121));
    assert_eq!(attribution.moved(MS)[0].1.difference_ns, -5_000_000);
    assert!(attribution.only("cart", Duration::ZERO, MS).is_err(), "faster is not slower by nothing");
}
