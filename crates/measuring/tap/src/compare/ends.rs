//! Who is at the ends of a flow.

use journey::{Direction, Event, Flow, Roster, Stamp, Transport};

use crate::reported::ReportedStamp;

/// Did the flow's client take this stamp? Each end stamps what it sends and what it reads.
pub(super) fn by_client(stamp: &Stamp) -> bool {
    (stamp.event == Event::Tx) == (stamp.direction == Direction::Request)
}

/// Who is at a flow's client end, when it says nothing itself: the program that passes requests on to there.
pub(super) fn client_of(roster: &Roster, flow: &Flow) -> String {
    let server = roster.at(flow.server).map_or("", |known| &known.name);
    roster.opaque_before(server).map_or_else(|| "?".to_owned(), |known| known.name.clone())
}

/// The stamp of whoever received a byte: the kernel's stamp first, of equals the earliest byte.
pub(super) fn receiver<'a>(
    stamps: &'a [ReportedStamp],
    sent: &Stamp,
    event: Event,
) -> Option<&'a ReportedStamp> {
    let same = |entry: &&ReportedStamp| {
        let stamp = &entry.stamp;
        let covers = match sent.flow.transport {
            Transport::Tcp => stamp.offset >= sent.offset,
            Transport::Udp => stamp.offset == sent.offset,
        };
        stamp.event == event && stamp.flow == sent.flow && stamp.direction == sent.direction && covers
    };
    stamps.iter().filter(same).min_by_key(|entry| entry.stamp.offset)
}
