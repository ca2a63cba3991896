//! One network namespace, held by a file descriptor.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

use crate::route::Route;

/// What every host's network is set to; a container may forbid to write it, and then the kernel's defaults hold.
const SETTINGS: [(&str, &str); 5] = [
    // ping without privilege (icmp(7)).
    ("ipv4/ping_group_range", "0 2147483647"),
    // Duplicate address detection and router solicitations would be packets that no program sent.
    ("ipv6/conf/all/disable_ipv6", "1"),
    ("ipv6/conf/default/disable_ipv6", "1"),
    // What TCP learnt of a path in one run must not shape the next (tcp_metrics).
    ("ipv4/tcp_no_metrics_save", "1"),
    // A program without privilege answers on the chapter's ports, 53 and 443 (ip(7)).
    ("ipv4/ip_unprivileged_port_start", "0"),
];

/// A network namespace. Cheap to clone; the last clone and the last process in it hold it up.
///
/// A socket stays in the namespace in which it was made, whichever thread uses it.
#[derive(Clone, Debug)]
pub struct Namespace(Arc<File>);

impl Namespace {
    /// A new one, with nothing in it but loopback, which is up.
    ///
    /// # Errors
    /// The kernel refuses: `ENOSPC` at the limit user.max_net_namespaces, `EPERM` without CAP_SYS_ADMIN in the user
    /// namespace of the calling thread (see [`crate::private::enter`]).
    pub fn new() -> io::Result<Namespace> {
        // unshare(CLONE_NEWNET) moves the calling thread alone.
        apart(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            settle()?;
            Self::current()
        })
    }

    /// That of the calling thread.
    ///
    /// # Errors
    /// /proc is not there.
    pub fn current() -> io::Result<Namespace> {
        Ok(Namespace(Arc::new(File::open("/proc/thread-self/ns/net")?)))
    }

    /// That of a file, such as [`Namespace::path`].
    ///
    /// # Errors
    /// There is no such file, or it is somebody else's.
    pub fn open(file: &Path) -> io::Result<Namespace> {
        Ok(Namespace(Arc::new(File::open(file)?)))
    }

    /// Where other processes of this user find it while this one lives.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.descriptor()))
    }

    /// Moves the calling thread into it: the sockets that it makes and the processes that it starts are there, too.
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_ADMIN in the user namespace that made it.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(&*self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// Does something in it, on a thread of its own, and waits for that.
    ///
    /// # Errors
    /// As [`Namespace::enter`], or what is done says.
    pub fn run<T: Send>(&self, does: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        apart(|| {
            self.enter()?;
            does()
        })
    }

    /// For rtnetlink, which knows a namespace by a descriptor of the process that asks.
    pub(crate) fn descriptor(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&*self.0)
    }
}

/// On a thread of its own: the namespace of a thread is gone with it.
fn apart<T: Send>(does: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    let panicked = |_| io::Error::other("the thread in the namespace panicked");
    std::thread::scope(|scope| scope.spawn(does).join().map_err(panicked)?)
}

/// Makes the calling thread's new network usable.
pub(crate) fn settle() -> io::Result<()> {
    Route::open()?.up("lo")?;
    for (key, value) in SETTINGS {
        let _ = std::fs::write(Path::new("/proc/sys/net").join(key), value);
    }
    Ok(())
}
