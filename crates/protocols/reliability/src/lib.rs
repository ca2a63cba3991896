//! How services that cannot share a transaction agree, whatever dies when.
//!
//! A request changes things in three systems: a reservation in another service (the *participant*), the state in Redis,
//! an event in Kafka. There is no transaction over all three, and this program, each of the systems and the network
//! between them may fail between any two steps. Each mechanism here exists because of what happens without it:
//!
//! | mechanism | without it |
//! |---|---|
//! | [`outbox`] | the state is changed, then this program dies: nobody is ever told (or Kafka is told first, and of a change that never came) |
//! | [`outbox_relay`] | what a dead process had in hand stays there for ever |
//! | [`idempotency`] | a client that got no response sends again, and the change is made twice |
//! | [`reservations`] | what was reserved for a request that died is lost to everybody |
//! | [`returns`] | what a removal freed is lost when the participant is down at that moment |
//!
//! They share one idea: **the note of what is still to be done is written in the very transaction that makes it
//! necessary**, in Redis. Whoever comes later finds it there, and every step can be done twice without harm.
//!
//! | key in Redis | type | holds |
//! |---|---|---|
//! | `outbox:<owner>` | stream | messages of this owner that are not known to be in Kafka yet, in order |
//! | `outboxes` | hash | the owners whose outbox may hold something |
//! | `outbox.claim:<owner>` | string | who publishes the orphans in this outbox; ends by itself |
//! | `outbox.dead-letters` | stream | what was found in an outbox (or in `returns`) and is no message; for people to look at |
//! | `outbox.relay` | string | which process looks after what others left; ends by itself |
//! | `returns` | stream | removals that the participant is not known to have taken back yet |
//! | `reservation:<id>` | string | `kept`, or `dropped`: how a reservation ended. `kept` goes when the participant knows, `dropped` ends after an hour |
//! | `reservations.confirming` | hash | of which the participant is being told that they were kept |
//! | `idempotency:<owner>:<key>` | string | a request that was seen, and the response it got; ends after a day |
//!
//! The state itself is the program's own: it composes its transaction of what it changes and of what these modules add
//! to a [`redis_client::Pipeline`]. An *owner* is whose state it is, such as a customer; what an event is, the program
//! says with [`Event`], and what the participant can do, with [`Participant`].

#![warn(missing_docs)]

pub mod idempotency;
mod message;
pub mod outbox;
pub mod outbox_relay;
mod participant;
mod pending;
pub mod reservations;
pub mod returns;

pub use message::{Entry, Event, LONGEST, Malformed, Message};
pub use outbox::Outbox;
pub use outbox_relay::OutboxRelay;
pub use participant::{Held, Participant};
pub use reservations::Reservations;
pub use returns::Returns;

#[cfg(test)]
mod testing;
