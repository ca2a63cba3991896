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

/// The messages of a stream that passed one program, in the order of time: when, in which span, and which bytes.
#[derive(Debug, Default)]
pub(super) struct Passages(pub(super) BTreeMap<(u64, Arrived), Bytes>);

/// Bytes of a stream that passed together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    /// How many came before them; 0 where nobody said how many they are.
    pub(super) before: u64,
    /// The offset of the last one.
    pub(super) last: u64,
}

impl Bytes {
    /// Is the byte at an offset among them? Where some between them and that byte are missing, it is not.
    fn contain(self, offset: u64) -> bool {
        self.before < offset
    }
}

impl Passages {
    /// `size`: how many bytes, those up to the stamp's, if it is known.
    pub(super) fn add(&mut self, stamp: &Stamp, size: Option<u64>, span: Arrived) {
        let before = size.map_or(0, |size| stamp.offset.saturating_sub(size));
        self.0.insert((stamp.at, span), Bytes { before, last: stamp.offset });
    }

    /// True when nothing is left.
    pub(super) fn without(&mut self, stamp: &Stamp, span: Arrived) -> bool {
        self.0.remove(&(stamp.at, span));
        self.0.is_empty()
    }

    /// The span in which the byte of `sent` arrived.
    pub(super) fn after(&self, sent: &Stamp) -> Option<Arrived> {
        let mut later = self.0.range((sent.at.saturating_sub(EARLIER_CONNECTION), 0)..);
        let fits = |bytes: &Bytes| match sent.flow.transport {
            Transport::Udp => bytes.last == sent.offset,
            Transport::Tcp => bytes.last >= sent.offset,
        };
        let ((_, span), bytes) = later.find(|(_, bytes)| fits(bytes))?;
        (sent.flow.transport == Transport::Udp || bytes.contain(sent.offset)).then_some(*span)
    }

    /// The span in which the byte of `received` left.
    pub(super) fn before(&self, received: &Stamp) -> Option<Arrived> {
        let mut found = None;
        // Back in time offsets become smaller; where they do not, an earlier connection ended.
        let mut next = u64::MAX;
        for ((_, span), bytes) in
            self.0.range(..=(received.at.saturating_add(EARLIER_CONNECTION), Arrived::MAX)).rev()
        {
            if bytes.last < received.offset || bytes.last >= next {
                break;
            }
            next = bytes.last;
            found = Some((*span, *bytes));
        }
        found.filter(|(_, bytes)| bytes.contain(received.offset)).map(|(span, _)| span)
    }
}
