//! One byte and its moment.

use journey::{Direction, Event, Flow, Quality, Stamp};

/// The last byte so far in one direction of a socket, and when it passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes counted from the connection's beginning, this one included.
    pub offset: u64,
    /// Nanoseconds since the Unix epoch: after the read that brought it, or before the write that took it.
    pub at: u64,
    /// For a byte that was read: when the kernel had it in the socket's queue, where that is known.
    /// Nanoseconds since the Unix epoch, never after [`Mark::at`].
    pub queued: Option<u64>,
    /// For a byte that was written: did the kernel keep it, or some before it, back? Looked at only where
    /// Nagle's algorithm is on; see [`nagle`](super::nagle).
    pub held: bool,
}

impl Mark {
    /// The stamp of a write.
    pub fn sent(self, flow: Flow, direction: Direction) -> Stamp {
        self.stamp(flow, direction, Event::Tx, self.at)
    }

    /// The stamps of a read: the kernel's, if there is one, and the program's own.
    pub fn received(self, flow: Flow, direction: Direction) -> impl Iterator<Item = Stamp> {
        let queued = self.queued.map(|at| self.stamp(flow, direction, Event::Rx, at));
        queued.into_iter().chain([self.stamp(flow, direction, Event::Wake, self.at)])
    }

    pub(super) fn stamp(self, flow: Flow, direction: Direction, event: Event, at: u64) -> Stamp {
        let quality = if event == Event::Rx { Quality::Kernel } else { Quality::User };
        Stamp { flow, direction, offset: self.offset, event, at, quality }
    }
}
