//! Span events that carry stamps: version 1 of a convention that any program may follow.
//!
//! A stamp is one span event. Its name says what happened, its time says when (CLOCK_REALTIME), its attributes
//! say to which byte. `docs/measuring.md` ("Stamps on the wire") describes it for senders in other languages.

use crate::stamp::{Direction, Event, Quality};

/// The version of this convention: a change of meaning gets a new one, an addition does not.
pub const VERSION: &str = "1";

names! {
    /// The name of the instrumentation scope whose version is [`VERSION`].
    SCOPE = "journey.stamps";
    /// Attribute: the two sockets, `tcp CLIENT>SERVER` or `udp CLIENT>SERVER`, each `ip:port`.
    FLOW = "journey.flow";
    /// Attribute: `request` (client to server) or `response`.
    DIRECTION = "journey.direction";
    /// Attribute (int): TCP: how many bytes had gone this way, the last one of this message included; UDP: the DNS
    /// message id.
    OFFSET = "journey.offset";
    /// Attribute: `kernel` when the kernel took the time; absent: the program did.
    QUALITY = "journey.quality";
}

impl Event {
    /// Every event.
    pub const ALL: [Event; 4] = [Event::Tx, Event::Rx, Event::Accept, Event::Wake];

    /// The span event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Event::Tx => "tx",
            Event::Rx => "rx",
            Event::Accept => "accept",
            Event::Wake => "wake",
        }
    }

    /// The event of this name; `None` for a span event that is no stamp.
    pub fn named(name: &str) -> Option<Event> {
        Event::ALL.into_iter().find(|event| event.as_str() == name)
    }
}

impl Direction {
    /// The value of [`DIRECTION`].
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Request => "request",
            Direction::Response => "response",
        }
    }

    /// The direction of this name.
    pub fn named(name: &str) -> Option<Direction> {
        [Direction::Request, Direction::Response].into_iter().find(|direction| direction.as_str() == name)
    }
}

impl Quality {
    /// The value of [`QUALITY`]; that of [`Quality::User`] is not written.
    pub fn as_str(self) -> &'static str {
        match self {
            Quality::Kernel => "kernel",
            Quality::User => "user",
            Quality::Inferred => "inferred",
        }
    }

    /// The quality of this name.
    pub fn named(name: &str) -> Option<Quality> {
        [Quality::Kernel, Quality::User, Quality::Inferred]
            .into_iter()
            .find(|quality| quality.as_str() == name)
    }
}
