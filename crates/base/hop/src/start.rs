//! How a hop's process begins and ends.

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::admin::Secret;
use crate::{Admin, Common, Telemetry};

/// What a hop is given: its name, where its spans go, and the signal to stop.
pub struct Hop {
    /// This instance's name, such as `cart-pod-def34`.
    pub name: Arc<str>,
    /// Where spans go.
    pub telemetry: Telemetry,
    /// Cancelled on SIGTERM or Ctrl-C: stop accepting, finish what runs, return.
    pub shutdown: CancellationToken,
    /// How long running work may take to finish after `shutdown`.
    pub drain: Duration,
    /// Liveness, readiness, metrics.
    pub admin: Admin,
}

impl Hop {
    /// Says that requests may come: `/readyz` answers 200 from now on.
    pub fn ready(&self) {
        self.admin.set_ready(true);
        crate::listen::inherited::warn_of_unused();
        tracing::info!(hop = %self.name, "ready");
    }

    /// A hop for tests: no admin endpoint, spans to `telemetry`, stopped by `shutdown`.
    pub fn for_tests(name: &str, telemetry: Telemetry, shutdown: CancellationToken) -> Self {
        let admin = Admin::new(name);
        telemetry.timed_by(&admin);
        Hop { name: name.into(), telemetry, shutdown, drain: Duration::from_secs(2), admin }
    }
}

/// Runs a hop to its end and says how it went: 0 good, 1 failed, 2 wrong settings (see [`Misuse`]).
///
/// In order: logs, inherited sockets, runtime, telemetry, admin endpoint, signals, then `run`, which returns when
/// [`Hop::shutdown`] is cancelled and its work is drained. A second signal ends the process at once.
/// One current-thread runtime per process: a hop's work is short and its memory small.
pub fn start<F, R>(role: &'static str, common: Common, run: F) -> ExitCode
where
    F: FnOnce(Hop) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    abort_on_panic();
    // What a hop writes (data, keys, logs) is for its owner alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    crate::log::init("info");
    crate::listen::inherited::accept_all();
    crate::stamped::nagle(!common.tcp_nodelay);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(role, &anyhow::Error::new(error).context("start the runtime")),
    };
    let outcome = runtime.block_on(life(role, common, run));
    // Blocking work that was handed to a thread has had its time in `run`; it must not hold the end up.
    runtime.shutdown_timeout(Duration::from_secs(1));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(role, &error),
    }
}

/// A panicking task is a dead process, which whoever supervises it sees, and not one that goes on without it. A hook and not
/// `panic = "abort"` in the profile: tests have to unwind, and would compile every dependency a second time for that.
pub fn abort_on_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::abort();
    }));
}

/// The settings are wrong: the process exits with 2 instead of 1.
#[derive(Debug)]
pub struct Misuse(pub String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

async fn life<F, R>(role: &'static str, common: Common, run: F) -> anyhow::Result<()>
where
    F: FnOnce(Hop) -> R,
    R: Future<Output = anyhow::Result<()>>,
{
    let name: Arc<str> = common.name.as_deref().unwrap_or(role).into();
    let telemetry = Telemetry::from_settings(&name, &common).map_err(|error| Misuse(format!("{error:#}")))?;
    let shutdown = CancellationToken::new();
    let secret = common.admin_secret_file.as_deref().map(Secret::read).transpose();
    let admin = Admin::guarded(&name, secret.map_err(|error| Misuse(format!("{error:#}")))?);
    crate::stamped::kernel::want(telemetry.enabled());
    telemetry.timed_by(&admin);
    let admin_task = match common.admin {
        Some(address) => Some(tokio::spawn(admin.clone().serve(crate::listen::tcp(address)?))),
        None => None,
    };
    ignore_file_size_signal();
    tokio::spawn(watch_signals(shutdown.clone(), admin.clone()));
    let hop = Hop {
        name,
        telemetry: telemetry.clone(),
        shutdown: shutdown.clone(),
        drain: Duration::from_secs(common.drain_seconds),
        admin,
    };
    let outcome = run(hop).await;
    telemetry.flush().await;
    if telemetry.lost() > 0 {
        tracing::warn!(lost = telemetry.lost(), "spans that never reached the collector");
    }
    if let Some(task) = admin_task {
        task.abort();
    }
    outcome
}

/// A file that may not grow any more (RLIMIT_FSIZE, setrlimit(2)) is a write error like a full disk, and not
/// the process's end: the log may be that file. Handling the signal once is enough, for good.
pub fn ignore_file_size_signal() {
    if let Err(error) = signal(SignalKind::from_raw(libc::SIGXFSZ)) {
        tracing::warn!(%error, "SIGXFSZ cannot be handled: a file-size limit will end this process");
    }
}

async fn watch_signals(shutdown: CancellationToken, admin: Admin) {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signal handlers could not be installed: this process can only be killed");
        return;
    };
    // With the exit codes of a shell: 128 and the signal's number.
    let mut next = async || {
        tokio::select! { _ = terminate.recv() => ("SIGTERM", 143), _ = interrupt.recv() => ("SIGINT", 130) }
    };
    let (signal, _) = next().await;
    tracing::info!(signal, "draining: no new connections, running requests finish");
    admin.set_ready(false);
    shutdown.cancel();
    let (signal, code) = next().await;
    tracing::warn!(signal, "second signal: stopping now");
    std::process::exit(code);
}

fn fail(role: &str, error: &anyhow::Error) -> ExitCode {
    tracing::error!("{role} stops: {error:#}");
    ExitCode::from(if error.downcast_ref::<Misuse>().is_some() { 2 } else { 1 })
}

#[cfg(test)]
mod tests;
