//! Each check passes what is right and catches what is spoilt.

use super::*;

/// Ten items for each of two carts, one after the other; the third is told twice, as relays do.
fn good() -> (Vec<Op>, Carts, Vec<Record>) {
    let (mut ops, mut carts, mut log) = (Vec::new(), Carts::new(), Vec::new());
    for number in 0..20_u64 {
        let user = ["a", "b"][usize::from(number % 2 == 1)];
        let trace = format!("{number:032x}");
        let op = Op {
            trace: trace.clone(),
            user: user.to_owned(),
            product: "PROD-1".to_owned(),
            quantity: 2,
            sent: number * 100,
            acknowledged: Some(number * 100 + 50),
        };
        *carts.entry((format!("CART-{user}"), "PROD-1".to_owned())).or_default() += 2;
        let partition = i32::from(number % 2 == 1);
        let record = Record {
            partition,
            offset: log.iter().filter(|record: &&Record| record.partition == partition).count() as i64,
            event: format!("event-{number}"),
            kind: "item-added".to_owned(),
            cart: format!("CART-{user}"),
            product: "PROD-1".to_owned(),
            quantity: 2,
            trace,
        };
        if number == 3 {
            log.push(Record { offset: record.offset + 1, ..record.clone() });
        }
        log.push(record);
        ops.push(op);
    }
    (ops, carts, log)
}

/// Fails unless the check complains of the spoilt data, and says these words.
fn caught(spoil: impl FnOnce(&mut Vec<Op>, &mut Carts, &mut Vec<Record>), words: &str) {
    let (mut ops, mut carts, mut log) = good();
    spoil(&mut ops, &mut carts, &mut log);
    let mut wrong = kept_once(&ops, &carts, &log);
    wrong.extend(in_order(&ops, &log));
    wrong.extend(sold_and_left("PROD-1", 100, 60, &carts));
    assert!(wrong.iter().any(|text| text.contains(words)), "no {words:?} in {wrong:#?}");
}

#[test]
fn what_is_right_passes() {
    let (ops, carts, log) = good();
    assert_eq!(kept_once(&ops, &carts, &log), [""; 0]);
    assert_eq!(in_order(&ops, &log), [""; 0]);
    assert_eq!(sold_and_left("PROD-1", 100, 60, &carts), [""; 0]);
    assert_eq!((log.len(), distinct(&log).len()), (21, 20));
}

#[test]
fn what_was_not_acknowledged_may_be_there_or_not() {
    let (mut ops, mut carts, mut log) = good();
    ops[7].acknowledged = None;
    assert_eq!(kept_once(&ops, &carts, &log), [""; 0]);
    log.retain(|record| record.event != "event-7");
    *carts.values_mut().last().expect("a cart") -= 2;
    assert_eq!(kept_once(&ops, &carts, &log), [""; 0]);
}

#[test]
fn spoilt_data_is_caught() {
    caught(|_, _, log| log.retain(|record| record.event != "event-7"), "acknowledged and not published");
    caught(|_, _, log| log.retain(|record| record.event != "event-7"), "20 in the cart, 18 by its events");
    caught(|_, carts, _| drop(carts.pop_first()), "0 in the cart, 20 by its events");
    caught(|_, carts, _| *carts.values_mut().next().expect("a cart") += 2, "22 in the cart");
    caught(|_, carts, _| *carts.values_mut().next().expect("a cart") += 2, "42 sold and 60 left of 100");
    let landed_twice = |log: &mut Vec<Record>| {
        let again = Record { event: "another".to_owned(), offset: 99, ..log[5].clone() };
        log.push(again);
    };
    caught(|_, _, log| landed_twice(log), "landed twice");
    caught(
        |_, carts, log| {
            landed_twice(log);
            *carts.values_mut().last().expect("a cart") += 2;
        },
        "landed twice",
    );
    caught(|ops, _, _| drop(ops.pop()), "nobody asked");
    caught(|_, _, log| log[5].quantity = 3, "is not what");
    caught(|_, _, log| log[5].kind = "item-removed".to_owned(), "nobody asked");
    caught(|_, _, log| log[5].partition = 2, "more than one partition");
    let swapped = |log: &mut Vec<Record>| {
        let (one, two) = (log[8].offset, log[10].offset);
        (log[8].offset, log[10].offset) = (two, one);
    };
    caught(|_, _, log| swapped(log), "is told after it");
}

#[test]
fn too_much_or_too_little_is_sold() {
    let carts = Carts::from([(("CART-a".to_owned(), "PROD-1".to_owned()), 51)]);
    assert_eq!(sold_and_left("PROD-1", 51, 0, &carts), [""; 0]);
    assert_eq!(sold_and_left("PROD-1", 50, 0, &carts).len(), 1);
    assert_eq!(sold_and_left("PROD-1", 50, -1, &carts).len(), 1);
    assert_eq!(sold_and_left("PROD-1", 52, 0, &carts).len(), 1);
}
