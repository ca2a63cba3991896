//! A request that came while its predecessor on the connection was still being answered.

use super::*;

/// The request is in the kernel at 15, read at `read`, and handled from `until` on.
fn second(read: u64, until: u64) -> Journey {
    let mut handled = server("edge", 3, Some(2), flow(1), (read, 90));
    handled.stamps.push(stamp(flow(1), Direction::Request, 100, Event::Rx, 15));
    let spans = vec![
        span("browser", 1, None, Kind::Internal, "journey", (0, 100)),
        client("browser", 2, 1, flow(1), (0, 100)),
        handled.with(attribute::PREDECESSOR_UNTIL, until),
        span("edge", 4, Some(3), Kind::Internal, "validate", (70, 80)),
    ];
    let journey = assembled(spans, &Roster::default());
    tiles(&journey);
    assert!(journey.anomalies.is_empty(), "{journey:?}");
    journey
}

#[test]
fn it_waits_for_its_predecessor_and_that_is_neither_work_nor_a_late_wake_up() {
    // Read at once, and then it waited in the program.
    let journey = second(20, 60);
    assert_eq!(told(&journey)[..4], ["edge leg 15", "edge wake 5", "edge wait 40", "edge self 10"]);
    // Not read before the predecessor had its response.
    let journey = second(62, 60);
    assert_eq!(told(&journey)[..4], ["edge leg 15", "edge wait 45", "edge wake 2", "edge self 8"]);
    let waited = journey.parts.iter().find(|part| part.kind == PartKind::Wait).map(|part| &*part.name);
    assert_eq!(waited, Some(name::PREDECESSOR));
}

#[test]
fn one_that_came_after_its_predecessors_response_waits_for_nobody() {
    assert!(second(20, 14).parts.iter().all(|part| part.kind != PartKind::Wait));
}
