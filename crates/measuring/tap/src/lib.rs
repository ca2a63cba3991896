//! A second observation point: what passed between the programs, seen by the kernel and not by them.
//!
//! What it teaches:
//! * how a packet capture works: an `AF_PACKET` socket sees every packet of an interface, a classic BPF
//!   program chooses in the kernel which ones, and a ring shared with the kernel hands them over in
//!   blocks, so that nobody is woken for each packet ([`Capture`]);
//! * what a packet says ([`packet`]), and how TCP's sequence numbers name the bytes of a stream, with
//!   retransmission, reordering and wrap-around ([`Streams`]);
//! * how two observers are compared who agree on *which byte* but not on *when* ([`compare`]): a program
//!   cannot have read a byte before it arrived, nor have begun to send it after it left.
//!
//! On loopback each packet is seen twice, with a kernel stamp (CLOCK_REALTIME) each time: *out* when the
//! sender's half of the kernel hands it to the interface, *in* when the interface hands it to the
//! receiver's half.
//!
//! | module | answers |
//! |---|---|
//! | `raw` | the kernel calls; the only unsafe code |
//! | [`filter`] | whose packets? |
//! | [`Capture`] | the thread that takes them from the ring, and what was lost |
//! | [`packet`] | from which socket to which, carrying which bytes? |
//! | [`Streams`] | when did byte N of this flow pass? |
//! | [`pcap`] | the file for Wireshark |
//! | [`reported`] | what do the programs report of a journey? |
//! | [`compare`] | both side by side, and who misreports |

#![warn(missing_docs)]

mod capture;
pub mod compare;
pub mod filter;
pub mod packet;
pub mod pcap;
mod raw;
pub mod reported;
mod streams;
#[cfg(test)]
mod testing;

pub use capture::{Capture, CaptureError, Lost, Taken, allowed, private};
pub use streams::{Passed, Streams};
