use hop::clock;

use super::*;
use crate::message::Malformed;
use crate::outbox::age::{AHEAD, ORPHANED_AFTER};
use crate::testing::{Happened, message};

/// The id of an entry that was written just now, or long ago.
fn at(number: u64, age: u64) -> StreamId {
    StreamId(clock::now() / 1_000_000 - age, number)
}

fn entries(ids: &[StreamId]) -> Vec<Entry<Happened>> {
    ids.iter().map(|id| Entry::Message(*id, message())).collect()
}

/// What a look at these entries shows a process to which these are `ours`, of which the last is to be published.
fn head(outbox: &Outbox<Happened>, all: &[StreamId], ours: &[StreamId]) -> Head<Happened> {
    let queue = Queue::default();
    queue.waiting.lock().extend(ours.iter().map(|id| (*id, message())));
    outbox.head("alice", &queue, &entries(all), *ours.last().expect("somebody waits"))
}

fn ours(ids: &[StreamId]) -> Head<Happened> {
    Head::Ours(ids.iter().map(|id| (*id, message())).collect())
}

#[test]
fn who_stands_at_the_head_publishes_its_own_and_no_one_elses() {
    let outbox = Outbox::default();
    let now = at(0, 0).0;
    let [a, b, c, d] = [0, 1, 2, 3].map(|number| StreamId(now, number));
    assert_eq!(head(&outbox, &[a], &[a]), ours(&[a]));
    assert_eq!(head(&outbox, &[a, b], &[a]), ours(&[a]), "b is another's");
    assert_eq!(head(&outbox, &[a, b, c], &[a, b]), ours(&[a, b]), "all who wait here, in order");
    assert_eq!(head(&outbox, &[a, b, c, d], &[a, c]), ours(&[a]), "b stands between");
    assert_eq!(head(&outbox, &[a, b], &[b]), Head::Behind(a));
    assert_eq!(head(&outbox, &[b, c], &[c, a]), Head::Gone, "a was published by another");
    assert_eq!(head(&outbox, &[], &[a]), Head::Gone);
    assert_eq!(head(&outbox, &[a, b, c], &[d]), Head::Behind(a));
}

#[test]
fn what_this_process_published_stands_in_nobodys_way_and_is_not_published_again() {
    let outbox = Outbox::default();
    let now = at(0, 0).0;
    let [a, b, c] = [0, 1, 2].map(|number| StreamId(now, number));
    outbox.acknowledged.add("alice", a);
    outbox.acknowledged.add("alice", b);
    assert_eq!(head(&outbox, &[a, b, c], &[c]), ours(&[c]));
    assert_eq!(head(&outbox, &[a, b], &[c]), Head::After(b), "c may be on the next page");
    assert!(outbox.acknowledged.contains("alice", a) && !outbox.acknowledged.contains("bob", a));
    let removals = outbox.acknowledged.removals.take();
    assert!(removals.first().is_some_and(|first| first.owner == "alice" && first.id == a));
    outbox.acknowledged.removed("alice", a);
    outbox.acknowledged.removed("alice", b);
    assert!(outbox.acknowledged.is_empty(), "what left is not remembered");
}

#[test]
fn an_orphan_is_nobodys_own_any_more() {
    let outbox = Outbox::default();
    let old = at(0, ORPHANED_AFTER + 1);
    let new = at(0, 0);
    assert!(is_orphaned(old) && !is_orphaned(new));
    let ahead = StreamId(new.0 + AHEAD + 60_000, 0);
    assert!(is_orphaned(ahead) && is_orphaned(StreamId(u64::MAX, 0)), "nobody would ever publish it");
    assert_eq!(head(&outbox, &[old, new], &[old]), Head::Behind(old), "another may be at it");
    assert_eq!(head(&outbox, &[old, new], &[new]), Head::Behind(old));
}

#[test]
fn a_malformed_entry_before_ours_is_waited_for() {
    let outbox = Outbox::default();
    let now = at(0, 0).0;
    let queue = Queue::default();
    let mine = StreamId(now, 1);
    queue.waiting.lock().insert(mine, message());
    let broken = Malformed { id: StreamId(now, 0), why: String::new(), fields: Vec::new() };
    let found = [Entry::Malformed(broken), entries(&[mine]).remove(0)];
    assert_eq!(outbox.head("alice", &queue, &found, mine), Head::Behind(StreamId(now, 0)));
}
