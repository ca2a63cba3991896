//! The end of a program: SIGTERM, time to drain, then SIGKILL to all that it started.

use std::time::Duration;

use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use super::guard;
use super::leftovers::Leftovers;
use super::process::{Signal, signal, signal_group};

/// How much longer than its own drain limit a program may take before it is killed.
const GRACE: Duration = Duration::from_secs(1);

/// SIGTERM, time to drain, then SIGKILL; at once when the user has no patience (`now`). What it leaves behind is
/// named and killed.
pub(super) async fn terminate(
    hop: &str,
    child: &mut Child,
    drain: Duration,
    now: &CancellationToken,
    leftovers: &Leftovers,
) {
    let pid = child.id();
    if let Some(pid) = pid {
        let _ = signal(pid, Signal::TERM);
    }
    let limit = drain + GRACE;
    tokio::select! {
        _ = child.wait() => sweep(pid),
        () = now.cancelled() => kill(child).await,
        () = hop::wait::deadline(limit) => {
            tracing::warn!(hop, ?limit, "did not end when told to: killed");
            kill(child).await;
        }
    }
    for left in leftovers.end().await {
        tracing::warn!("{hop} left {left}: killed");
    }
}

/// Kills a child and whatever it started.
pub(super) async fn kill(child: &mut Child) {
    sweep(child.id());
    let _ = child.kill().await;
}

/// Kills what is left of a child's group: a child that ended may have left children of its own.
pub(super) fn sweep(pid: Option<u32>) {
    if let Some(pid) = pid {
        signal_group(pid, Signal::KILL);
        if let Some(guard) = guard::guard() {
            guard.forget(pid);
        }
    }
}
