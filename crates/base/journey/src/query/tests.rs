use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::example;

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

fn message(of: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(of)).expect_err("it panics");
    panic.downcast_ref::<String>().cloned().expect("a message")
}

#[test]
fn a_hop_by_name_and_by_role() {
    let journey = example(500);
    for name in ["cart", "cart-pod-abc12"] {
        let pod = journey.hop(name);
        assert_eq!((pod.own(), pod.leg(), pod.total()), (micros(500), micros(20), micros(520)));
    }
    let ingress = journey.hop("ingress");
    assert_eq!(ingress.own(), micros(3_040), "wake is a number of its own");
    assert_eq!((ingress.wait(), ingress.wake(), ingress.leg()), (micros(3_000), micros(10), micros(40)));
    assert_eq!(ingress.own() + ingress.wake() + ingress.leg(), ingress.total());
    assert_eq!(ingress.named("queue").total(), micros(3_000));
    assert!(ingress.named("fsync").is_empty());
    assert_eq!(ingress.parts().len(), 6);
    assert_eq!(u128::from(journey.own("ingress")), ingress.own().as_nanos());
}

#[test]
fn an_unknown_hop_is_answered_with_those_it_met() {
    let journey = example(500);
    assert!(journey.try_hop("ingres").is_none());
    let said = message(|| drop(journey.hop("ingres")));
    for word in ["\"ingres\"", "POST /cart/items", "browser, lb, ingress, cart-pod-abc12", "cart)"] {
        assert!(said.contains(word), "{said}");
    }
    let said = message(|| drop(journey.between("ingress", "redis")));
    assert!(said.contains("ingress → lb") && said.contains("\"redis\""), "{said}");
}

#[test]
fn between_is_one_direction_with_the_receivers_wake_up() {
    let journey = example(500);
    assert_eq!(journey.between("lb", "ingress").total(), micros(30));
    assert_eq!(journey.between("lb", "ingress").leg(), micros(20));
    assert_eq!(journey.between("ingress", "lb").total(), micros(20));
    assert_eq!(journey.between("ingress", "cart").total(), micros(20));
    assert_eq!(journey.between("cart", "ingress").total(), micros(20));
    assert!(journey.try_between("lb", "cart").is_none());
}

#[test]
fn stages_make_the_whole() {
    let journey = example(500);
    let sum: Duration = Stage::ALL.into_iter().map(|stage| journey.stage(stage).total()).sum();
    assert_eq!(sum, journey.total());
    assert!(journey.stage(Stage::Tls).is_empty());
    assert_eq!(journey.stage(Stage::Application).own(), micros(500));
    assert_eq!(journey.order(), ["browser", "lb", "ingress", "cart-pod-abc12"]);
    assert_eq!(journey.roles(), ["browser", "lb", "ingress", "cart"]);
}

#[test]
fn calls_are_counted_in_one_direction_by_name_and_by_role() {
    let mut journey = example(500);
    assert_eq!((journey.calls("ingress", "cart"), journey.calls("ingress", "cart-pod-abc12")), (1, 1));
    assert_eq!((journey.calls("lb", "cart"), journey.calls("browser", "resolver")), (0, 0));
    let again: Vec<_> = journey.parts.iter().filter(|part| part.name == "lb → ingress").cloned().collect();
    journey.parts.extend(again);
    assert_eq!((journey.calls("lb", "ingress"), journey.calls("ingress", "lb")), (2, 1));
}
