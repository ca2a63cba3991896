//! When the messages of a stream passed a program, and which of them a stamp belongs to.

use std::collections::BTreeMap;

use crate::stamp::{Stamp, Transport};

/// A span's number: the order of arrival.
pub type Arrived = u64;

/// A stamp that is earlier than its cause by more than this is of an earlier connection between the same
/// two sockets, in nanoseconds. A port is free again after a second at the earliest (RFC 6191; Linux's
/// `tcp_tw_reuse`, on by default for loopback). One that is earlier by less is a clock's or a hop's fault
/// and is shown.
const EARLIER_CONNECTION: u64 = 500_000_000;

/// The messages of a stream that passed one program, in the order of time: when, in which span, up to which offset.
#[derive(Debug, Default)]
pub(super) struct Passages(pub(super) BTreeMap<(u64, Arrived), u64>);

impl Passages {
    pub(super) fn add(&mut self, stamp: &Stamp, span: Arrived) {
        self.0.insert((stamp.at, span), stamp.offset);
    }

    /// True when nothing is left.
    pub(super) fn without(&mut self, stamp: &Stamp, span: Arrived) -> bool {
        self.0.remove(&(stamp.at, span));
        self.0.is_empty()
    }

    /// The span in which the byte of `sent` arrived.
    pub(super) fn after(&self, sent: &Stamp) -> Option<Arrived> {
        let mut later = self.0.range((sent.at.saturating_sub(EARLIER_CONNECTION), 0)..);
        let fits = |offset: u64| match sent.flow.transport {
            Transport::Udp => offset == sent.offset,
            Transport::Tcp => offset >= sent.offset,
        };
        later.find(|(_, offset)| fits(**offset)).map(|((_, span), _)| *span)
    }

    /// The span in which the byte of `received` left.
    pub(super) fn before(&self, received: &Stamp) -> Option<Arrived> {
        let mut found = None;
        // Back in time offsets become smaller; where they do not, an earlier connection ended.
        let mut next = u64::MAX;
        for ((_, span), offset) in
            self.0.range(..=(received.at.saturating_add(EARLIER_CONNECTION), Arrived::MAX)).rev()
        {
            if *offset < received.offset || *offset >= next {
                break;
            }
            next = *offset;
            found = Some(*span);
        }
        found
    }
}
