//! The file that Wireshark opens: classic pcap with nanoseconds, each packet once.
//!
//! On loopback a packet passes twice. Wireshark would take the second for a retransmission, so only the
//! arriving one is written, as libpcap does on loopback.

use std::io::{self, Write};

/// Nanosecond stamps, in this machine's byte order (pcap-savefile(5)).
const MAGIC: u32 = 0xa1b2_3c4d;
/// LINKTYPE_ETHERNET: `lo` puts an Ethernet header with empty addresses before each packet.
const ETHERNET: u32 = 1;
/// No packet is cut off.
const LONGEST: u32 = 1 << 18;

/// Writes packets one after the other.
#[derive(Debug)]
pub struct Pcap<W>(W);

impl<W: Write> Pcap<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// As the writer.
    pub fn begin(mut to: W) -> io::Result<Self> {
        to.write_all(&MAGIC.to_ne_bytes())?;
        to.write_all(&2_u16.to_ne_bytes())?; // version 2.4
        to.write_all(&4_u16.to_ne_bytes())?;
        for field in [0, 0, LONGEST, ETHERNET] {
            to.write_all(&u32::to_ne_bytes(field))?;
        }
        Ok(Pcap(to))
    }

    /// Adds a frame, stamped in nanoseconds since the Unix epoch; `length` is what it had on the interface.
    ///
    /// # Errors
    /// As the writer.
    pub fn packet(&mut self, at: u64, frame: &[u8], length: u32) -> io::Result<()> {
        // Seconds have 32 bits: until 2106.
        let (seconds, nanoseconds) = ((at / 1_000_000_000) as u32, (at % 1_000_000_000) as u32);
        for field in [seconds, nanoseconds, frame.len() as u32, length] {
            self.0.write_all(&field.to_ne_bytes())?;
        }
        self.0.write_all(frame)
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// As the writer.
    pub fn end(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
