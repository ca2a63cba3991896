//! The one accept loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::stamped::{Stamped, Stamps};
use crate::wait;

mod memory;

use memory::Memory;

/// Accepts connections until `shutdown`, then waits up to `drain` for the running ones.
///
/// Each connection becomes a task of `serve`, which is told by the token to finish early. At most
/// `limit` run at once: above that, new ones wait in the kernel's accept queue, where they cost
/// this process nothing. What still runs when `drain` has passed is dropped before this returns, so
/// that its sockets are closed and its spans are out while there is someone to send them.
pub async fn run<S, F>(
    listener: TcpListener,
    limit: usize,
    shutdown: &CancellationToken,
    drain: Duration,
    serve: S,
) where
    S: Fn(Stamped<TcpStream>, CancellationToken) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    run_as(Stamped::accepted, listener, limit, shutdown, drain, serve).await;
}

/// As [`run`], for connections that nobody wants stamps of.
pub async fn run_plain<S, F>(
    listener: TcpListener,
    limit: usize,
    shutdown: &CancellationToken,
    drain: Duration,
    serve: S,
) where
    S: Fn(TcpStream, CancellationToken) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let plain = |stream: TcpStream, _| stream.set_nodelay(true).map(|()| stream);
    run_as(plain, listener, limit, shutdown, drain, serve).await;
}

async fn run_as<C, S, F>(
    connection: impl Fn(TcpStream, SocketAddr) -> io::Result<C>,
    listener: TcpListener,
    limit: usize,
    shutdown: &CancellationToken,
    drain: Duration,
    serve: S,
) where
    S: Fn(C, CancellationToken) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let permits = Arc::new(Semaphore::new(limit));
    let tasks = TaskTracker::new();
    let memory = Arc::new(Memory::default());
    let trimming = tokio::spawn(Arc::clone(&memory).trim(tasks.clone()));
    let _ends_with_this = AbortOnDrop(trimming.abort_handle());
    let cut = CancellationToken::new();
    loop {
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // The connection died in the queue, or file descriptors ran out: both pass.
                    pause_when_out_of_descriptors(&error).await;
                    continue;
                }
            },
        };
        match connection(stream, peer) {
            Ok(stream) => {
                let work = serve(stream, shutdown.clone());
                let (cut, memory) = (cut.clone(), Arc::clone(&memory));
                memory.opened(tasks.len() + 1);
                tasks.spawn(async move {
                    tokio::select! {
                        biased;
                        () = work => {}
                        () = cut.cancelled() => {}
                    }
                    drop(permit);
                    memory.closed();
                });
            }
            Err(error) => tracing::debug!(%error, %peer, "connection gone before it was served"),
        }
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(drain, tasks.wait()).await.is_err() {
        tracing::warn!(
            left = tasks.len(),
            ?drain,
            "drain limit reached: cutting the connections that are left"
        );
        cut.cancel();
        tasks.wait().await;
    }
}

/// The silence after which a connection of a protocol that has no word for the end (RESP, Kafka) is idle once the hop is
/// to stop: longer than a client pauses between the commands of one exchange, shorter than it leaves a connection alone
/// between two.
pub const SILENCE: Duration = Duration::from_millis(100);

/// When to end a connection on which nothing happens: waits for `stop`, and then for the silence.
///
/// Poll it after the read. Where the protocol does not let a response say that it is the last one, begin anew after each
/// request that came since `stop`: whoever hangs up within an exchange leaves its client in doubt whether it was done.
pub async fn idle_after(stop: CancellationToken, silence: Duration, stamps: Stamps) {
    stop.cancelled().await;
    wait::deadline(silence).await;
    // On a busy machine a runtime learns milliseconds later what the kernel has.
    while stamps.has_unread() {
        wait::deadline(silence).await;
    }
}

/// Ends a task when what it works for ends.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Without descriptors `accept` fails at once, again and again: give running connections a moment
/// to end instead of spinning (and filling the log).
#[allow(clippy::disallowed_methods, reason = "backs off; the condition cannot be awaited")]
async fn pause_when_out_of_descriptors(error: &io::Error) {
    if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM)) {
        crate::warn_throttled!(%error, "accept a connection: raise `ulimit -n`, or lower the connection limit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    } else {
        tracing::debug!(%error, "accept a connection");
    }
}

#[cfg(test)]
mod tests;
