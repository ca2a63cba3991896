//! Exit with the parent, and signals.
//!
//! The only unsafe code of the lab.

use std::io;

pub(crate) use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};
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

/// Sends a signal to one process that this lab started.
///
/// # Errors
/// There is no such process (any more).
pub(crate) fn signal(pid: u32, signal: Signal) -> io::Result<()> {
    Ok(kill_process(number(pid)?, signal)?)
}

/// Sends a signal to a process this lab started and to all that it started itself: its group.
pub(crate) fn signal_group(pid: u32, signal: Signal) {
    // Nobody left is just as good.
    let _ = number(pid).and_then(|pid| Ok(kill_process_group(pid, signal)?));
}

/// 0 would be our own group, and 1 everybody's parent.
fn number(pid: u32) -> io::Result<Pid> {
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).filter(|pid| !pid.is_init());
    number.ok_or_else(|| io::ErrorKind::InvalidInput.into())
}
