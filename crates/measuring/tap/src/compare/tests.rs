//! A world of three programs, browser → ingress → pod, in which both observers are made up.

use journey::semconv::attribute;
use journey::{Direction, Event, Kind, Quality, Span, SpanId, Stamp, TraceId, Transport};

use super::figures::less;
use super::*;
use crate::filter::LabAddresses;
use crate::packet::Packet;
use crate::reported::ReportedStamp;
use crate::testing::{data, socket, stamp, syn};

const INGRESS: &str = "127.0.1.100:8080";
const POD: &str = "127.244.1.15:8080";
/// A journey begins every millisecond; all times are microseconds.
const EVERY: u64 = 1_000;

fn us(micros: u64) -> u64 {
    micros * 1_000
}

fn flow(n: u16) -> Flow {
    let server = if n == 0 { INGRESS } else { POD };
    Flow {
        transport: Transport::Tcp,
        client: socket(&format!("127.0.0.1:{}", 40_000 + n)),
        server: socket(server),
    }
}

fn roster(opaque: &str) -> Roster {
    let mut roster = Roster::default();
    for (name, listen, onward) in [("ingress", INGRESS, vec!["pod".to_owned()]), ("pod", POD, vec![])] {
        let (name, role) = (name.to_owned(), format!("role of {name}"));
        roster.add(
            journey::Hop { begins: None, reports: name != opaque, keeps: false, name, role, onward },
            [socket(listen)],
        );
    }
    roster
}

/// What one program's clock shows at a true time; a liar's differs.
type Clock = fn(&str, Event, u64) -> u64;

fn honest(_: &str, _: Event, at: u64) -> u64 {
    at
}

struct World {
    packets: Vec<Packet>,
    reported: Vec<ReportedStamps>,
}

impl World {
    /// Each packet leaves 5 µs after the write, arrives 3 µs later, and is read 40 µs after that.
    fn new(journeys: u64, clock: Clock, silent: &str) -> World {
        let mut packets = Vec::new();
        for n in 0..2 {
            packets.extend([Direction::Request, Direction::Response].map(|d| syn(flow(n), d, u32::MAX, 1)));
        }
        let mut reported = Vec::new();
        for n in 1..=journeys {
            let start = n * EVERY;
            // Written by whom, read by whom, on which flow, when.
            let messages = [
                ("browser", "ingress", 0, Direction::Request, 0),
                ("ingress", "pod", 1, Direction::Request, 100),
                ("pod", "ingress", 1, Direction::Response, 300),
                ("ingress", "browser", 0, Direction::Response, 400),
            ];
            let mut stamps: Vec<(&str, Stamp)> = Vec::new();
            for (from, to, at, direction, time) in messages {
                let (flow, time) = (flow(at), start + time);
                let sequence = (100 * (n - 1)) as u32;
                packets.extend(data(flow, direction, (sequence, 100), (us(time + 5), us(time + 8))));
                for (hop, event, time) in [(from, Event::Tx, time), (to, Event::Wake, time + 48)] {
                    stamps.push((hop, stamp(flow, direction, 100 * n, event, clock(hop, event, us(time)))));
                }
            }
            stamps.retain(|(hop, _)| *hop != silent);
            reported.push(reported_of(n, &stamps));
        }
        World { packets, reported }
    }

    fn compare(&self, opaque: &str) -> Compared {
        let own: LabAddresses = [socket(INGRESS), socket(POD)].into_iter().collect();
        let mut streams = Streams::new(&self.packets, &own);
        streams.anchor(self.reported.iter().flat_map(|said| &said.stamps).map(|entry| &entry.stamp));
        compare(&self.reported, &streams, &roster(opaque))
    }
}

/// The spans of one journey, as the programs would report them.
fn reported_of(n: u64, stamps: &[(&str, Stamp)]) -> ReportedStamps {
    let trace = TraceId((u128::from(n)).to_be_bytes());
    let id = |part: u64| SpanId((n * 10 + part).to_be_bytes());
    let times = (us(n * EVERY), us(n * EVERY + 450));
    let mut root =
        Span::new(trace, id(0), None, Kind::Internal, "POST /", times).with(attribute::TOTAL_NS, us(450));
    root.hop = "browser".into();
    let mut spans = vec![root];
    let parts = [
        (1, 0, "browser", Kind::Client, 0),
        (2, 1, "ingress", Kind::Server, 0),
        (3, 2, "ingress", Kind::Client, 1),
        (4, 3, "pod", Kind::Server, 1),
    ];
    for (number, parent, hop, kind, at) in parts {
        let of_span = stamps.iter().filter(|(who, stamp)| *who == hop && stamp.flow == flow(at));
        let stamps: Vec<Stamp> = of_span.map(|(_, stamp)| *stamp).collect();
        if !stamps.is_empty() {
            let mut span = Span::new(trace, id(number), Some(id(parent)), kind, "POST /", times);
            (span.hop, span.stamps) = (hop.into(), stamps);
            spans.push(span);
        }
    }
    ReportedStamps::of(trace, &spans.iter().collect::<Vec<_>>())
}

fn hop<'a>(compared: &'a Compared, name: &str) -> &'a HopCompared {
    compared.hops.iter().find(|hop| hop.hop == name).expect("the program is there")
}

fn accused(compared: &Compared) -> Vec<&str> {
    compared.misreporting().map(|hop| hop.hop.as_str()).collect()
}

#[test]
fn honest_programs_and_the_tap_agree() {
    let compared = World::new(10, honest, "").compare("");
    assert_eq!(accused(&compared), Vec::<&str>::new());
    let ingress = hop(&compared, "ingress");
    // By itself: from the read at 48 to the write at 400, less what it waited for from 100 to 348.
    assert_eq!((ingress.inside_ns, ingress.journeys), (Some(us(104)), 10));
    // By packets: from 8 to 405, less 105 to 308: its two wake-ups of 40, and its writes, are in it.
    assert_eq!((ingress.tap_ns, ingress.disagreement_ns), (Some(us(194)), Some(-90_000)));
    assert_eq!((ingress.stamps, ingress.unseen, ingress.impossible), (40, 0, 0));
    let leg = compared.legs.iter().find(|leg| leg.from == "browser").expect("the first leg");
    assert_eq!((leg.to.as_str(), leg.messages, leg.woken), ("role of ingress", 10, true));
    assert_eq!((leg.inside_ns, leg.tap_ns), (Some(us(48)), Some(us(3))));
    assert_eq!((leg.disagreement_ns, leg.wake_ns), (Some(45_000), Some(us(40))));
    assert_eq!(leg.sent_ns, Some(5_000));
    assert_eq!(compared.legs.len(), 4);
}

#[test]
fn whose_clock_is_off_either_way_is_called_out_and_nobody_else() {
    fn late(hop: &str, _: Event, at: u64) -> u64 {
        if hop == "ingress" { at + us(5_000) } else { at }
    }
    fn early(hop: &str, _: Event, at: u64) -> u64 {
        if hop == "ingress" { at.saturating_sub(us(60)) } else { at }
    }
    for clock in [late as Clock, early] {
        for journeys in [1, 20] {
            let compared = World::new(journeys, clock, "").compare("");
            assert_eq!(accused(&compared), ["ingress"], "{journeys} journeys");
            assert_eq!(hop(&compared, "ingress").impossible as u64, 2 * journeys);
            assert_eq!(hop(&compared, "pod").impossible, 0);
        }
    }
    let compared = World::new(3, late, "").compare("");
    let why = hop(&compared, "ingress").misreports.clone().expect("a reason");
    assert_eq!(why, "6 of 6 writes are stamped after the packet had left, by up to 4995.0 µs");
}

#[test]
fn who_claims_more_time_than_it_took_is_called_out() {
    fn generous(hop: &str, event: Event, at: u64) -> u64 {
        match (hop, event) {
            ("pod", Event::Tx) => at + us(50),
            ("pod", _) => at - us(50),
            _ => at,
        }
    }
    assert_eq!(accused(&World::new(1, generous, "").compare("")), ["pod"]);
}

#[test]
fn who_always_claims_less_time_than_it_took_is_called_out() {
    fn modest(hop: &str, event: Event, at: u64) -> u64 {
        match (hop, event) {
            ("pod", Event::Tx) => at - us(300),
            ("pod", _) => at + us(300),
            _ => at,
        }
    }
    let compared = World::new(20, modest, "").compare("");
    assert_eq!(accused(&compared), ["pod"]);
    assert_eq!(hop(&compared, "pod").impossible, 0, "each of them may have been a slow wake-up");
    assert_eq!(accused(&World::new(5, modest, "").compare("")), Vec::<&str>::new(), "too few to say");

    fn busy(_: &str, event: Event, at: u64) -> u64 {
        if event == Event::Wake { at + us(300) } else { at }
    }
    let compared = World::new(20, busy, "").compare("");
    assert_eq!(accused(&compared), Vec::<&str>::new(), "on a busy machine everyone wakes late");
}

#[test]
fn a_program_that_reports_nothing_gets_its_time_from_packets() {
    // Its neighbours speak.
    let compared = World::new(10, honest, "ingress").compare("ingress");
    let ingress = hop(&compared, "ingress");
    assert_eq!((ingress.opaque, ingress.journeys, ingress.inside_ns), (true, 10, None));
    assert_eq!(ingress.tap_ns, Some(us(194)), "the same as when it speaks itself");
    assert_eq!(ingress.stamps, 0);
    let names: Vec<(&str, &str)> =
        compared.legs.iter().map(|leg| (leg.from.as_str(), leg.to.as_str())).collect();
    assert!(names.contains(&("role of ingress", "role of pod")), "{names:?}");
    assert!(names.contains(&("role of pod", "role of ingress")), "{names:?}");
    // The last one in the row has nobody behind it.
    let compared = World::new(10, honest, "pod").compare("pod");
    assert_eq!(hop(&compared, "pod").tap_ns, Some(us(197)), "from 108 to 305");
}

#[test]
fn two_in_a_row_that_report_nothing_are_told_apart_by_packets_alone() {
    let mut world = World::new(10, honest, "ingress");
    for reported in &mut world.reported {
        reported.stamps.retain(|entry| entry.hop == "browser");
        reported.handlings.clear();
    }
    let mut roster = Roster::default();
    for (name, listen, onward) in [("ingress", INGRESS, vec!["pod".to_owned()]), ("pod", POD, vec![])] {
        let (name, role) = (name.to_owned(), name.to_owned());
        roster.add(
            journey::Hop { reports: false, keeps: false, begins: None, name, role, onward },
            [socket(listen)],
        );
    }
    // A health check of the pod goes on at the same time: it is no part of any journey.
    let mut check = flow(1);
    check.client = socket("127.0.0.1:50000");
    for n in 1..=10 {
        let (start, sequence) = (n * EVERY, 10 * n as u32);
        let sent = (us(start + 150), us(start + 153));
        let answered = (us(start + 200), us(start + 203));
        world.packets.extend(data(check, Direction::Request, (sequence, 10), sent));
        world.packets.extend(data(check, Direction::Response, (sequence, 10), answered));
    }
    let own: LabAddresses = [socket(INGRESS), socket(POD)].into_iter().collect();
    let streams = Streams::new(&world.packets, &own);
    let compared = compare(&world.reported, &streams, &roster);
    assert_eq!(hop(&compared, "ingress").tap_ns, Some(us(194)));
    assert_eq!(hop(&compared, "pod").tap_ns, Some(us(197)));
}

#[test]
fn a_kernel_stamp_ends_the_leg_before_the_wake_up() {
    let mut world = World::new(10, honest, "");
    for reported in &mut world.reported {
        let queued: Vec<ReportedStamp> = reported
            .stamps
            .iter()
            .filter(|entry| entry.stamp.event == Event::Wake)
            .map(|entry| {
                let stamp = Stamp {
                    event: Event::Rx,
                    at: entry.stamp.at - us(40),
                    quality: Quality::Kernel,
                    ..entry.stamp
                };
                ReportedStamp { stamp, ..entry.clone() }
            })
            .collect();
        reported.stamps.extend(queued);
    }
    let compared = world.compare("");
    for leg in &compared.legs {
        assert!(!leg.woken);
        assert_eq!((leg.inside_ns, leg.tap_ns), (Some(us(8)), Some(us(3))));
        assert_eq!(leg.disagreement_ns, Some(5_000));
    }
    assert_eq!(accused(&compared), Vec::<&str>::new());
}

#[test]
fn lost_packets_accuse_nobody() {
    let mut world = World::new(10, honest, "");
    let kept = world.packets.iter().enumerate().filter(|(n, _)| n % 5 != 4).map(|(_, packet)| *packet);
    world.packets = kept.collect();
    let compared = world.compare("");
    assert_eq!(accused(&compared), Vec::<&str>::new());
    assert!(compared.hops.iter().any(|hop| hop.unseen > 0), "the gaps are counted");
    assert!(hop(&compared, "ingress").tap_ns.is_some());
}

#[test]
fn overlapping_waits_count_once() {
    assert_eq!(less((0, 100), &mut [(10, 30), (20, 40), (90, 200)]), 60);
    assert_eq!(less((0, 100), &mut []), 100);
    assert_eq!(less((50, 100), &mut [(0, 60), (40, 45)]), 40);
    assert_eq!(less((50, 100), &mut [(0, 200)]), 0);
    assert_eq!(less((100, 50), &mut [(60, 70)]), 0);
}
