//! The capture: a thread that takes packets from the ring, and nothing else.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::filter::LabAddresses;
use crate::packet::{Packet, parse};
use crate::pcap::Pcap;
use crate::raw::{Block, Ring, socket};

/// How long the thread waits for a block before it looks whether it shall end. Longer than the kernel
/// keeps a block back, so that a wait without a block means that nothing is left.
const POLL_MS: i32 = 200;

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The process may not.
    #[error(
        "the tap captures packets on loopback, which needs the capability CAP_NET_RAW\n  what to do: sudo setcap cap_net_raw+ep {program}, or run it as root"
    )]
    Forbidden {
        /// The program that was started.
        program: String,
    },
    /// The kernel refused for another reason.
    #[error("capture packets on lo: {0}")]
    Kernel(#[source] io::Error),
    /// The file cannot be written.
    #[error("write {}: {error}", .path.display())]
    File {
        /// As it was given.
        path: PathBuf,
        /// What the kernel said.
        error: io::Error,
    },
    /// The thread has panicked.
    #[error("the tap's thread ended early")]
    Gone,
}

impl CaptureError {
    fn kernel(error: io::Error) -> Self {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return CaptureError::Kernel(error);
        }
        let program = std::env::current_exe();
        let program = program.map_or_else(|_| "the program".to_owned(), |path| path.display().to_string());
        CaptureError::Forbidden { program }
    }
}

/// May this process capture?
///
/// # Errors
/// [`CaptureError::Forbidden`] says what to do.
pub fn allowed() -> Result<(), CaptureError> {
    socket().map(drop).map_err(CaptureError::kernel)
}

/// Packets found no room in the ring between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Packets that were lost.
    pub packets: u64,
    /// Not before this: nanoseconds since the Unix epoch.
    pub after: u64,
    /// Not after this: nanoseconds since the Unix epoch.
    pub before: u64,
}

/// What a capture has seen.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// The lab's packets that carry data or begin a connection, in the order in which they were seen.
    pub packets: Vec<Packet>,
    /// All of the lab's packets, acknowledgements included; on loopback each counts twice.
    pub seen: u64,
    /// When packets were lost; empty when none was.
    pub lost: Vec<Lost>,
}

/// A running capture. Dropping it ends it.
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Taken, CaptureError>>>,
}

impl Capture {
    /// Begins to capture the traffic of `own` on loopback; what arrives is also written to `file`.
    ///
    /// # Errors
    /// The process may not, or the file cannot be made.
    pub fn start(own: LabAddresses, file: Option<&Path>) -> Result<Capture, CaptureError> {
        let ring = Ring::open(&own.program()).map_err(CaptureError::kernel)?;
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| CaptureError::File { path, error }
        };
        let file = match file {
            None => None,
            Some(path) => {
                let pcap = private(path).map(BufWriter::new).and_then(Pcap::begin).map_err(failed(path))?;
                Some((pcap, path.to_owned()))
            }
        };
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || run(ring, &own, file, &stopped);
        let thread = std::thread::Builder::new().name("tap".into()).spawn(run);
        Ok(Capture { stop, thread: Some(thread.map_err(CaptureError::Kernel)?) })
    }

    /// Takes what is still in the ring, and ends.
    ///
    /// # Errors
    /// The kernel or the file failed meanwhile.
    pub fn stop(mut self) -> Result<Taken, CaptureError> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().ok_or(CaptureError::Gone)?;
        thread.join().map_err(|_| CaptureError::Gone)?
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// A new file that only its owner can read: between the hops, requests with their tokens are in clear.
///
/// # Errors
/// It cannot be made.
pub fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).and_then(|file| {
        // The mode above counts for a new file only.
        let mut permissions = file.metadata()?.permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
        file.set_permissions(permissions)?;
        Ok(file)
    })
}

type Destination = (Pcap<BufWriter<File>>, PathBuf);

fn run(
    mut ring: Ring,
    own: &LabAddresses,
    mut file: Option<Destination>,
    stop: &AtomicBool,
) -> Result<Taken, CaptureError> {
    let mut taken = Taken::default();
    let mut broken = None;
    let mut last = 0;
    loop {
        let ending = stop.load(Ordering::Relaxed);
        let before = last;
        let block = ring.block(POLL_MS, |frame| {
            last = frame.at;
            // The kernel's filter looks at ports only where addresses are long.
            let Some(packet) = parse(frame.bytes, frame.out, frame.at).filter(|packet| own.owns(packet))
            else {
                return;
            };
            taken.seen += 1;
            if packet.matters() {
                taken.packets.push(packet);
            }
            if let Some((pcap, _)) = file.as_mut().filter(|_| !frame.out && broken.is_none()) {
                broken = pcap.packet(frame.at, frame.bytes, frame.length).err();
            }
        });
        let block = block.map_err(CaptureError::Kernel)?;
        // What was lost, was lost before the ring was empty, so before the next block ended.
        if let Some(lost) = taken.lost.last_mut().filter(|lost| lost.before == u64::MAX)
            && block == Block::Fresh
        {
            lost.before = last;
        }
        let (_, dropped) = ring.counts().map_err(CaptureError::Kernel)?;
        if dropped > 0 {
            taken.lost.push(Lost { packets: dropped, after: before, before: u64::MAX });
        }
        if ending && block == Block::None {
            break;
        }
    }
    match (file, broken) {
        (Some((_, path)), Some(error)) => Err(CaptureError::File { path, error }),
        (Some((pcap, path)), None) => {
            pcap.end().map_err(|error| CaptureError::File { path, error })?;
            Ok(taken)
        }
        (None, _) => Ok(taken),
    }
}

impl Packet {
    /// Acknowledgements alone say nothing of when a byte passed.
    fn matters(&self) -> bool {
        !matches!(self.carries, crate::packet::Carries::Segment { length: 0, syn: false, .. })
    }
}
