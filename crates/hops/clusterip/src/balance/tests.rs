use std::collections::HashMap;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn pods(count: u16) -> Vec<SocketAddr> {
    (1..=count).map(|n| SocketAddr::from(([127, 244, 1, 1], n))).collect()
}

fn client(n: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, n])
}

#[test]
fn no_endpoint_no_choice() {
    let now = hop::clock::monotonic();
    for mode in [Mode::Random, Mode::RoundRobin, Mode::ClientIp] {
        assert_eq!(Balance::new(mode, HOUR).pick(&[], client(1), now), None);
    }
}

#[test]
fn round_robin_takes_turns() {
    let now = hop::clock::monotonic();
    let mut balance = Balance::new(Mode::RoundRobin, HOUR);
    let ports: Vec<u16> = (0..7).map(|_| balance.pick(&pods(3), client(1), now).unwrap().port()).collect();
    assert_eq!(ports, [1, 2, 3, 1, 2, 3, 1]);
}

#[test]
fn round_robin_survives_a_list_that_shrinks_and_grows() {
    let now = hop::clock::monotonic();
    let mut balance = Balance::new(Mode::RoundRobin, HOUR);
    let mut pick = |count| balance.pick(&pods(count), client(1), now).unwrap().port();
    assert_eq!([pick(3), pick(3), pick(1), pick(1), pick(2), pick(2), pick(3)], [1, 2, 1, 1, 1, 2, 1]);
}

#[test]
fn random_gives_everyone_the_same_share() {
    let now = hop::clock::monotonic();
    let mut balance = Balance::new(Mode::Random, HOUR);
    let mut counts = HashMap::new();
    for _ in 0..3_000 {
        *counts.entry(balance.pick(&pods(3), client(1), now).unwrap()).or_insert(0) += 1;
    }
    // The standard deviation is 26: 200 away from 1000 happens once in 10^13 runs.
    assert_eq!(counts.len(), 3);
    assert!(counts.values().all(|count| (800..1_200).contains(count)), "{counts:?}");
}

#[test]
fn a_client_stays_with_its_endpoint_until_the_affinity_expires() {
    let begun = hop::clock::monotonic();
    let many = pods(10_000);
    let mut balance = Balance::new(Mode::ClientIp, HOUR);
    let first = balance.pick(&many, client(1), begun).unwrap();
    // Each new connection renews it: two steps of 59 minutes are more than an hour in all.
    let minutes = |n: u32| begun + n * HOUR / 60;
    assert_eq!(balance.pick(&many, client(1), minutes(59)), Some(first));
    assert_eq!(balance.pick(&many, client(1), minutes(118)), Some(first));
    // An hour later it is forgotten; the same pod of 10,000 again and again would be no chance.
    let later: Vec<_> =
        (1..=3).map(|n| balance.pick(&many, client(1), minutes(118 + n * 60)).unwrap()).collect();
    assert!(later.iter().any(|pick| *pick != first));
}

#[test]
fn a_client_whose_endpoint_is_gone_chooses_again_and_stays_there() {
    let now = hop::clock::monotonic();
    let mut balance = Balance::new(Mode::ClientIp, HOUR);
    let mut ready = pods(3);
    let first = balance.pick(&ready, client(1), now).unwrap();
    ready.retain(|pod| *pod != first);
    let second = balance.pick(&ready, client(1), now).unwrap();
    assert_ne!(first, second);
    // The first pod comes back: nobody is moved for that.
    assert_eq!(balance.pick(&pods(3), client(1), now), Some(second));
}

#[test]
fn memory_is_bounded_and_expired_clients_make_room() {
    let now = hop::clock::monotonic();
    let mut balance = Balance::new(Mode::ClientIp, HOUR);
    let client = |n: u32| IpAddr::from((0x7f00_0000 + n).to_be_bytes());
    let full = u32::try_from(REMEMBERED).unwrap();
    for n in 0..=full {
        balance.pick(&pods(3), client(n), now);
    }
    assert_eq!(balance.chosen.len(), REMEMBERED);
    balance.pick(&pods(3), client(full + 1), now + HOUR);
    assert_eq!(balance.chosen.len(), 1);
}
