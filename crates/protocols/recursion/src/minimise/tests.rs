use super::*;

/// The label counts queried, when no server below the root knows of a zone cut.
fn steps(labels: usize) -> Vec<usize> {
    let full = Name::from_labels(vec!["x"; labels]).unwrap();
    let mut minimiser = Minimiser::new(&full);
    let mut steps = Vec::new();
    while steps.last() != Some(&labels) {
        steps.push(super::labels(&minimiser.next(&Name::root())));
        minimiser.count_sent();
    }
    steps
}

#[test]
fn one_label_at_a_time_and_then_in_strides() {
    assert_eq!(steps(1), [1]);
    assert_eq!(steps(3), [1, 2, 3]);
    assert_eq!(steps(10), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert_eq!(steps(23), [1, 2, 3, 4, 8, 11, 14, 17, 20, 23]);
    for labels in 1..=127 {
        assert!(steps(labels).len() <= MAX_MINIMISE_COUNT, "{labels} labels: {:?}", steps(labels));
    }
}

#[test]
fn a_zone_cut_is_where_the_next_label_is_added() {
    let full = Name::from_ascii("a.b.c.d.").unwrap();
    let mut minimiser = Minimiser::new(&full);
    assert_eq!(minimiser.next(&Name::from_ascii("c.d.").unwrap()).to_ascii(), "b.c.d.");
    assert_eq!(minimiser.next(&Name::from_ascii("c.d.").unwrap()), full);
    assert_eq!(minimiser.next(&full), full, "the name is a zone of its own");
}

#[test]
fn who_denies_a_probe_is_queried_for_the_full_name() {
    let full = Name::from_ascii("a.b.c.d.").unwrap();
    let mut minimiser = Minimiser::new(&full);
    assert_eq!(minimiser.next(&Name::root()).to_ascii(), "d.");
    minimiser.give_up();
    assert_eq!(minimiser.next(&Name::root()), full);
}

#[test]
fn an_asterisk_is_a_label() {
    assert_eq!(labels(&Name::from_ascii("*.b.").unwrap()), 2);
}
