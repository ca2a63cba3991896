//! The kernel calls behind a capture: a packet socket on `lo` with a ring (packet(7),
//! `Documentation/networking/packet_mmap.rst`, TPACKET_V3).
//!
//! The only unsafe code of this crate: std knows neither packet sockets nor mapped memory.

use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use libc::{c_int, c_void, sock_filter, tpacket3_hdr};

/// A block is handed over when it is full or this many milliseconds old: few enough wake-ups not to
/// disturb what is measured.
const RETIRE_MS: u32 = 40;
/// One block handlings some 500 journeys' small packets, and any packet of loopback (64 KiB) as a whole.
const BLOCK: usize = 1 << 20;
/// 32 MiB: more than a second of all the traffic this machine can make.
const BLOCKS: usize = 32;

/// A frame as the kernel gave it.
pub(crate) struct Frame<'a> {
    pub(crate) bytes: &'a [u8],
    /// Its length on the interface, in bytes; `bytes` is shorter when it was cut off.
    pub(crate) length: u32,
    pub(crate) out: bool,
    /// Nanoseconds since the Unix epoch.
    pub(crate) at: u64,
}

/// What came of waiting for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// There was none in time: everything has been taken.
    None,
    /// One that was there already; others may wait behind it.
    Queued,
    /// Everything before had been taken when it came.
    Fresh,
}

/// The socket and the memory that it shares with the kernel.
pub(crate) struct Ring {
    socket: OwnedFd,
    map: *mut u8,
    next: usize,
}

// SAFETY: the mapping belongs to this value alone, and is reached only through `&mut self`.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a capture of `lo`; only what `filter` accepts comes into the ring.
    pub(crate) fn open(filter: &[sock_filter]) -> io::Result<Ring> {
        let socket = socket()?;
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            // The kernel only reads it.
            filter: filter.as_ptr().cast_mut(),
        };
        set(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        // Lets the network stack stamp packets early, not when they reach this socket.
        set(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_i32)?;
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        set(&socket, libc::SOL_PACKET, libc::PACKET_VERSION, &version)?;
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: BLOCKS as u32,
            tp_frame_size: BLOCK as u32,
            tp_frame_nr: BLOCKS as u32,
            tp_retire_blk_tov: RETIRE_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: requests a new mapping at an address of the kernel's choice; the length is the ring's.
        let map = unsafe {
            libc::mmap(std::ptr::null_mut(), BLOCK * BLOCKS, protection, flags, socket.as_raw_fd(), 0)
        };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let ring = Ring { socket, map: map.cast(), next: 0 };
        ring.bind()?;
        Ok(ring)
    }

    /// From now on packets come in: the filter is in place already.
    fn bind(&self) -> io::Result<()> {
        // SAFETY: reads a C string that is there.
        let interface = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
        if interface == 0 {
            return Err(io::Error::last_os_error());
        }
        let address = libc::sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: (libc::ETH_P_ALL as u16).to_be(),
            sll_ifindex: interface as c_int,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = size_of_val(&address) as libc::socklen_t;
        // SAFETY: the address is whole and lives during the call, and the length is its own.
        let bound = unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Hands every frame of the next block to `each`, which waits for it at most `limit_ms`.
    pub(crate) fn block(&mut self, limit_ms: c_int, mut each: impl FnMut(Frame<'_>)) -> io::Result<Block> {
        let at = self.next * BLOCK;
        // SAFETY: `next` is below BLOCKS, so the block lies in the mapping; its status is an aligned u32
        // that the kernel changes, hence the atomic.
        let status = unsafe { AtomicU32::from_ptr(self.map.add(at + STATUS).cast()) };
        let ready = || status.load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        let mut found = Block::Queued;
        if !ready() {
            self.wait(limit_ms)?;
            if !ready() {
                return Ok(Block::None);
            }
            found = Block::Fresh;
        }
        // SAFETY: the block lies in the mapping, and while its status says so it is ours: the kernel
        // does not touch it until the status is given back, after the last use of the slice.
        let block = unsafe { std::slice::from_raw_parts(self.map.add(at), BLOCK) };
        frames(block, &mut each);
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % BLOCKS;
        Ok(found)
    }

    /// Waits until a block may be ready.
    fn wait(&self, limit_ms: c_int) -> io::Result<()> {
        let mut entry = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, and it lives during the call.
        match unsafe { libc::poll(&raw mut entry, 1, limit_ms) } {
            0.. => Ok(()),
            _ => Err(io::Error::last_os_error()).or_else(|error| match error.kind() {
                io::ErrorKind::Interrupted => Ok(()),
                _ => Err(error),
            }),
        }
    }

    /// How many packets the filter accepted, and how many of them found no room, since the last call.
    pub(crate) fn counts(&self) -> io::Result<(u64, u64)> {
        let mut counts = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        let mut length = size_of_val(&counts) as libc::socklen_t;
        // SAFETY: the kernel writes at most `length` bytes into a value of that size.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut counts).cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((u64::from(counts.tp_packets), u64::from(counts.tp_drops)))
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: exactly what `open` mapped, and nothing refers to it any more.
        unsafe { libc::munmap(self.map.cast::<c_void>(), BLOCK * BLOCKS) };
    }
}

/// A packet socket that receives nothing yet: its protocol comes with `bind`, after the filter.
pub(crate) fn socket() -> io::Result<OwnedFd> {
    // SAFETY: takes integers only.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(socket) })
}

fn set<T>(socket: &OwnedFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes of a value of that size; a filter program's instructions,
    // to which the value points, live as long as the call, too.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), length)
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

// Where the fields of a block's header are (linux/if_packet.h, struct tpacket_block_desc).
const STATUS: usize = 8;
const NUMBER: usize = 12;
const FIRST: usize = 16;
/// Behind each frame's header comes a `sockaddr_ll`, aligned to 16 bytes (TPACKET_ALIGN).
const ADDRESS: usize = size_of::<tpacket3_hdr>().next_multiple_of(16);

/// Walks a block's chain of frames; whatever does not fit ends the walk.
fn frames(block: &[u8], each: &mut impl FnMut(Frame<'_>)) {
    let Some(number) = u32_at(block, NUMBER) else { return };
    let mut at = u32_at(block, FIRST).unwrap_or(0) as usize;
    for _ in 0..number {
        let field = |offset| u32_at(block, at + offset);
        let frame = || {
            let mac = u16_at(block, at + offset_of!(tpacket3_hdr, tp_mac))?;
            let kept = field(offset_of!(tpacket3_hdr, tp_snaplen))? as usize;
            let bytes = block.get(at + usize::from(mac)..)?.get(..kept)?;
            let seconds = u64::from(field(offset_of!(tpacket3_hdr, tp_sec))?);
            let nanoseconds = u64::from(field(offset_of!(tpacket3_hdr, tp_nsec))?);
            let kind = *block.get(at + ADDRESS + offset_of!(libc::sockaddr_ll, sll_pkttype))?;
            Some(Frame {
                bytes,
                length: field(offset_of!(tpacket3_hdr, tp_len))?,
                out: kind == libc::PACKET_OUTGOING,
                at: seconds * 1_000_000_000 + nanoseconds,
            })
        };
        let Some(frame) = frame() else { return };
        each(frame);
        match field(offset_of!(tpacket3_hdr, tp_next_offset)) {
            Some(next @ 1..) => at += next as usize,
            _ => return,
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
