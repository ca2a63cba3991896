//! A network of this process's own.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set, set_capabilities,
};

use crate::namespace::{self, Namespace};

static ENTERED: AtomicBool = AtomicBool::new(false);

/// Why there can be no private network, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {error}\n  what to do: {remedy}")]
pub struct Refusal {
    /// What was tried: a system call with its argument, or the file that was written.
    pub step: &'static str,
    /// What the kernel said.
    pub error: io::Error,
    /// A sentence for people.
    pub remedy: String,
}

/// Moves this process, which must have one thread, into a network namespace of its own, where it may do what an
/// administrator may; its user stays the same. Who is root already needs no user namespace for that, and gets none: a
/// program that changes its user, as nginx's workers do, finds all users there.
///
/// # Errors
/// The kernel or the machine's settings forbid it.
pub fn enter() -> Result<(), Refusal> {
    // Behind unshare(2) these files show the new namespace's limits.
    let limits = Limits::read();
    let refusal = |step| {
        let limits = limits.clone();
        move |error: io::Error| Refusal { step, remedy: limits.remedy(step, &error), error }
    };
    if !geteuid().is_root() || unshare(CloneFlags::CLONE_NEWNET).is_err() {
        let (user, group) = (geteuid(), getegid());
        let step = "unshare(CLONE_NEWUSER)";
        unshare(CloneFlags::CLONE_NEWUSER).map_err(io::Error::from).map_err(refusal(step))?;
        // user_namespaces(7): gid_map can be written by an ordinary user only after setgroups(2) is denied.
        fs::write("/proc/self/setgroups", "deny").map_err(refusal("write /proc/self/setgroups"))?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))
            .map_err(refusal("write /proc/self/uid_map"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
            .map_err(refusal("write /proc/self/gid_map"))?;
        let step = "unshare(CLONE_NEWNET)";
        unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from).map_err(refusal(step))?;
    }
    namespace::settle().map_err(refusal("bring loopback up"))?;
    ENTERED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Has this process a network of its own, made by [`enter`]? Only there may it be changed.
pub fn is_entered() -> bool {
    ENTERED.load(Ordering::Relaxed)
}

/// Moves this process, which must have one thread, into a host's network that another process, of the same user, has built
/// and holds.
///
/// # Errors
/// The other process has ended, or is another user's.
pub fn join(builder: u32, host: &Path) -> io::Result<()> {
    // What is opened by a path of /proc is looked at from where this process is now.
    let (host, user) = (Namespace::open(host)?, format!("/proc/{builder}/ns/user"));
    if fs::read_link(&user)? != fs::read_link("/proc/self/ns/user")? {
        setns(File::open(user)?, CloneFlags::CLONE_NEWUSER)?;
    }
    host.enter()
}

/// From now on this process, and what it starts, finds the content of `file` in the place of `instead_of`; nobody else does
/// (mount_namespaces(7)).
///
/// # Errors
/// There is no `instead_of`, or the kernel refuses.
pub fn substitute(file: &Path, instead_of: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(Some(file), &instead_of.canonicalize()?, none, MsFlags::MS_BIND, none)?;
    Ok(())
}

/// What this process may do in its network, the programs that it becomes or starts may do, too: capture packets, change
/// addresses. Without this an ordinary user's rights end at execve(2) (capabilities(7), "ambient").
///
/// # Errors
/// The kernel refuses.
pub fn keep_rights() -> io::Result<()> {
    let kept = CapabilitySet::NET_RAW | CapabilitySet::NET_ADMIN | CapabilitySet::NET_BIND_SERVICE;
    let sets = capabilities(None)?;
    set_capabilities(None, CapabilitySets { inheritable: sets.inheritable | kept, ..sets })?;
    for capability in kept.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

/// What the machine allows.
#[derive(Clone, Debug, Default)]
struct Limits {
    user_namespaces: String,
    net_namespaces: String,
    unprivileged: String,
    apparmor: String,
    seccomp: bool,
    threads: usize,
}

impl Limits {
    fn read() -> Limits {
        let sysctl = |name: &str| {
            fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim().to_owned()
        };
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        Limits {
            user_namespaces: sysctl("user/max_user_namespaces"),
            net_namespaces: sysctl("user/max_net_namespaces"),
            unprivileged: sysctl("kernel/unprivileged_userns_clone"),
            apparmor: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
            seccomp: status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"])),
            threads: fs::read_dir("/proc/self/task").map_or(0, Iterator::count),
        }
    }

    /// What a user can do about a step that failed.
    fn remedy(&self, step: &str, error: &io::Error) -> String {
        let limit = if step.contains("NEWNET") {
            ("user.max_net_namespaces", &self.net_namespaces)
        } else {
            ("user.max_user_namespaces", &self.user_namespaces)
        };
        match error.raw_os_error().map(Errno::from_raw) {
            _ if self.apparmor == "1" => "AppArmor takes the rights from unprivileged user namespaces here (Ubuntu 23.10 and \
                later): allow them to this program by a profile in /etc/apparmor.d that says `userns,`, or to all: `sudo \
                sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
                .to_owned(),
            _ if self.unprivileged == "0" => {
                "allow them to ordinary users: `sudo sysctl kernel.unprivileged_userns_clone=1`".to_owned()
            }
            Some(Errno::ENOSPC) => {
                format!("raise the limit {}, which is {}: `sudo sysctl {}=10000`", limit.0, limit.1, limit.0)
            }
            Some(Errno::EINVAL) if self.threads > 1 => {
                format!("a fault of the lab: it has {} threads already", self.threads)
            }
            Some(Errno::EINVAL | Errno::ENOSYS) => {
                "use another kernel: this one is built without user or network namespaces".to_owned()
            }
            Some(Errno::EPERM) if self.seccomp => "a seccomp filter forbids it, as containers have by default: start the \
                container with `--security-opt seccomp=unconfined`"
                .to_owned(),
            _ => "a security module or a chroot forbids it: ask who administers this machine".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
