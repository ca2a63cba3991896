//! The kernel calls that std does not wrap: death with the parent, and signals.
//!
//! The only unsafe code of the lab.

use std::io;

use tokio::process::Command;

/// Makes the child's life end with this process, however this process ends.
///
/// The kernel ties this to the *thread* that forks: only [`super::spawner`]'s, which lives as long as
/// the process, may spawn such a command.
pub(super) fn die_with_parent(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        let prepare = move || {
            // SAFETY: prctl(PR_SET_PDEATHSIG) and getppid take and return integers only, touch no
            // memory of ours, and are async-signal-safe, as code between fork and exec must be.
            let (set, parent_now) =
                unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
            if set != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died between fork and prctl: then nobody will send the signal.
            if u32::try_from(parent_now) != Ok(parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        };
        // SAFETY: `prepare` runs in the child between fork and exec. It makes two system calls,
        // allocates nothing and takes no lock; both its errors are built without allocation.
        unsafe { command.pre_exec(prepare) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = command;
}

/// The two signals that end a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Finish what runs, then end.
    Terminate,
    /// End now.
    Kill,
}

impl Signal {
    fn number(self) -> libc::c_int {
        match self {
            Signal::Terminate => libc::SIGTERM,
            Signal::Kill => libc::SIGKILL,
        }
    }
}

/// Sends a signal to one process that this lab started.
///
/// # Errors
/// There is no such process (any more).
pub(crate) fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    kill(libc::pid_t::try_from(pid).unwrap_or(0), signal)
}

/// Sends a signal to a process this lab started and to all that it started itself: its group.
pub(crate) fn signal_group(pid: u32, signal: Signal) {
    // Nobody left is just as good.
    let _ = kill(libc::pid_t::try_from(pid).map_or(0, |pid| -pid), signal);
}

fn kill(target: libc::pid_t, signal: Signal) -> io::Result<()> {
    // 0 would be our own group, -1 everybody.
    if matches!(target, -1..=1) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: kill takes two integers and touches no memory.
    let sent = unsafe { libc::kill(target, signal.number()) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
