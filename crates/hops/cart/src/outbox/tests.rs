use super::*;
use crate::event::Event;

/// An entry that was written just now, or long ago.
fn at(number: u64, age: u64) -> Place {
    Place(clock::now() / 1_000_000 - age, number)
}

fn outgoing() -> Outgoing {
    let event = Event {
        kind: "item-added".into(),
        event_id: "e".into(),
        cart_id: "CART-alice".into(),
        item_id: "ITEM-1".into(),
        product_id: "PROD-1".into(),
        quantity: 1,
        at: 7,
    };
    Outgoing::new(event, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().expect("valid"))
}

fn lines(places: &[Place]) -> Vec<Line> {
    places.iter().map(|id| Line::Event(Entry { id: *id, outgoing: outgoing() })).collect()
}

/// What a look at these lines shows a process to which these are `ours`, of which the last asks.
fn head(outbox: &Outbox, all: &[Place], ours: &[Place]) -> Head {
    let cart = Cart::default();
    lock(&cart.waiting).extend(ours.iter().map(|id| (*id, outgoing())));
    outbox.head("alice", &cart, &lines(all), *ours.last().expect("somebody asks"))
}

fn ours(places: &[Place]) -> Head {
    Head::Ours(places.iter().map(|id| (*id, outgoing())).collect())
}

#[test]
fn who_stands_at_the_head_tells_its_own_and_no_one_elses() {
    let (outbox, _tidy) = Outbox::new();
    let now = at(0, 0).0;
    let [a, b, c, d] = [0, 1, 2, 3].map(|number| Place(now, number));
    assert_eq!(head(&outbox, &[a], &[a]), ours(&[a]));
    assert_eq!(head(&outbox, &[a, b], &[a]), ours(&[a]), "b is another's");
    assert_eq!(head(&outbox, &[a, b, c], &[a, b]), ours(&[a, b]), "all who wait here, in order");
    assert_eq!(head(&outbox, &[a, b, c, d], &[a, c]), ours(&[a]), "b stands between");
    assert_eq!(head(&outbox, &[a, b], &[b]), Head::Behind(a));
    assert_eq!(head(&outbox, &[b, c], &[c, a]), Head::Gone, "a was told by another");
    assert_eq!(head(&outbox, &[], &[a]), Head::Gone);
    assert_eq!(head(&outbox, &[a, b, c], &[d]), Head::Behind(a));
}

#[test]
fn what_this_process_told_stands_in_nobodys_way_and_is_not_told_again() {
    let (outbox, mut tidy) = Outbox::new();
    let now = at(0, 0).0;
    let [a, b, c] = [0, 1, 2].map(|number| Place(now, number));
    outbox.has_told("alice", a);
    outbox.has_told("alice", b);
    assert_eq!(head(&outbox, &[a, b, c], &[c]), ours(&[c]));
    assert_eq!(head(&outbox, &[a, b], &[c]), Head::After(b), "c may be on the next page");
    assert!(outbox.is_told("alice", a) && !outbox.is_told("bob", a));
    assert_eq!(tidy.try_recv(), Ok(Told { customer: "alice".into(), id: a }));
    outbox.has_left("alice", a);
    outbox.has_left("alice", b);
    assert!(lock(&outbox.told).is_empty(), "what left is not remembered");
}

#[test]
fn what_is_left_behind_is_nobodys_own_any_more() {
    let (outbox, _tidy) = Outbox::new();
    let old = at(0, LEFT_BEHIND + 1);
    let new = at(0, 0);
    assert!(is_left_behind(old) && !is_left_behind(new));
    let ahead = Place(new.0 + AHEAD + 60_000, 0);
    assert!(is_left_behind(ahead) && is_left_behind(Place(u64::MAX, 0)), "nobody would ever tell it");
    assert_eq!(head(&outbox, &[old, new], &[old]), Head::Behind(old), "another may be at it");
    assert_eq!(head(&outbox, &[old, new], &[new]), Head::Behind(old));
}

#[test]
fn a_malformed_line_before_ours_is_waited_for() {
    let (outbox, _tidy) = Outbox::new();
    let now = at(0, 0).0;
    let cart = Cart::default();
    let mine = Place(now, 1);
    lock(&cart.waiting).insert(mine, outgoing());
    let broken = Malformed { id: Place(now, 0), why: String::new(), fields: Vec::new() };
    let found = [Line::Malformed(broken), lines(&[mine]).remove(0)];
    assert_eq!(outbox.head("alice", &cart, &found, mine), Head::Behind(Place(now, 0)));
}
