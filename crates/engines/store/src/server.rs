//! Accepting connections, and what one connection does: read, hand over, reply.

mod input;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use hop::telemetry::Recorder;
use hop::{CancellationToken, Hop, Mark, Stamped, clock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};

use self::input::{BATCH_BYTES, InputError};
use crate::commands::{Facts, LogFacts};
use crate::config::Settings;
use crate::executor::{Done, Executor, Job, Request};
use crate::log::Log;
use crate::protocol::{Commands, Parser, ProtocolError};
use crate::reply::Output;
use crate::session::Session;
use crate::spans::{self, Batch, Turns};

/// How much is read at once. With a bounded batch this bounds what a connection can have waiting.
const READ_SIZE: usize = 16 << 10;
/// As long as that is enough: room for a read is overwritten with zeros before it, for there is no safe way around that.
const SMALL_READ: usize = 2 << 10;
/// How long a client may take to close its side once its last reply is an error.
const LINGER: Duration = Duration::from_secs(1);

/// Serves until `hop.shutdown`: loads the log, says ready, accepts, drains, flushes.
///
/// # Errors
/// The data folder can't be used or its log is damaged; or, later, the log could no longer be trusted.
pub async fn run(listener: TcpListener, settings: Settings, hop: Hop) -> anyhow::Result<()> {
    let (connections, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let facts = Facts {
        started: clock::now() / 1_000_000,
        settings: Settings { listen: listener.local_addr()?, ..settings.clone() },
        connections: Arc::clone(&connections),
        accepted: Arc::clone(&accepted),
        commands: 0,
        blocked: Arc::default(),
        log: LogFacts::default(),
    };
    // Until the log is read back clients wait in the listener's queue.
    // A long log takes its time, in which this thread serves /livez.
    let opening = move || Log::open(&facts.settings.data_dir, &facts).map(|(log, data)| (log, data, facts));
    let (log, database, facts) = tokio::task::spawn_blocking(opening).await.context("load the log")??;
    let limit = usize::try_from(settings.max_connections)?;
    // A connection has one request at a time with the executor, so the queue never makes one wait.
    let (jobs, queue) = mpsc::channel(limit + 1);
    let executor = Executor::new(database, log, facts);
    let (changes, blocked) = (executor.changes(), executor.blocked());
    let mut executor = tokio::spawn(executor.run(queue));
    let ticker = tokio::spawn(tick(jobs.clone()));
    let recorder = hop.telemetry.recorder();
    hop.ready();

    let timeout = (settings.timeout > 0).then(|| Duration::from_secs(settings.timeout));
    let accept = hop::accept::run(listener, limit, &hop.shutdown, hop.drain, |stream, stop| {
        let session = Session::new(accepted.fetch_add(1, Ordering::Relaxed) + 1);
        let open = Open::new(&connections);
        let (jobs, recorder) = (jobs.clone(), recorder.clone());
        let (changes, blocked) = (changes.clone(), Arc::clone(&blocked));
        let replies = Output::default();
        let connection = Connection { stream, session, replies, jobs, recorder, timeout, changes, blocked };
        async move {
            if let Err(error) = connection.serve(stop).await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(open);
        }
    });
    let early = tokio::select! {
        () = accept => None,
        outcome = &mut executor => Some(outcome),
    };
    ticker.abort();
    let outcome = match early {
        Some(outcome) => outcome,
        None => {
            // Connections that outlived the drain limit may still hold the queue open.
            let _ = jobs.send(Job::End).await;
            executor.await
        }
    };
    outcome.context("run the commands")?
}

async fn tick(jobs: mpsc::Sender<Job>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        if jobs.send(Job::Tick).await.is_err() {
            return;
        }
    }
}

/// Counts a connection for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One client.
struct Connection {
    stream: Stamped<TcpStream>,
    session: Session,
    /// Memory for the next replies.
    replies: Output,
    jobs: mpsc::Sender<Job>,
    recorder: Recorder<Batch>,
    /// How long it may be idle.
    timeout: Option<Duration>,
    /// See [`Executor::changes`].
    changes: watch::Receiver<u64>,
    /// How many connections wait for a change.
    blocked: Arc<AtomicUsize>,
}

impl Connection {
    /// Reads, executes and replies until the client leaves or `stop` is cancelled.
    ///
    /// The next bytes are read only after the last replies have left: a client that does not read its
    /// replies is not read from either, and its pipeline waits in its own socket buffer.
    async fn serve(mut self, stop: CancellationToken) -> io::Result<()> {
        let (mut parser, mut room) = (Parser::default(), SMALL_READ);
        // Made anew for each request it would cost more than the request's own commands.
        let stamps = self.stream.stamps();
        let idle_after = || hop::accept::idle_after(stop.clone(), hop::accept::SILENCE, stamps.clone());
        let mut stopped = pin!(idle_after());
        loop {
            let before = parser.offset();
            let (batch, input_error) = input::take_batch(&mut parser);
            let idle = batch.is_empty();
            if !idle && !self.run(batch, before, &mut parser, &stop).await? {
                return self.close().await;
            }
            match input_error {
                None => {}
                Some(InputError::NotRedis) => return Ok(()),
                Some(InputError::Protocol(ProtocolError(text))) => {
                    self.stream.write_all(format!("-{text}\r\n").as_bytes()).await?;
                    return self.close().await;
                }
            }
            if !idle && stop.is_cancelled() {
                stopped.set(idle_after());
            }
            if idle {
                let mut input = (&mut self.stream).take(room as u64);
                let read = tokio::select! {
                    // First what has arrived: commands that are here when the store is to stop get their replies.
                    biased;
                    read = input.read_buf(parser.spare(room)) => read?,
                    () = &mut stopped => return self.stream.shutdown().await,
                    () = silence(self.timeout) => {
                        tracing::debug!("a connection said nothing for too long: closed");
                        return self.stream.shutdown().await;
                    }
                };
                if read == 0 {
                    return Ok(()); // also after a half-close: every command has its reply
                }
                room = if read == room { READ_SIZE } else { SMALL_READ };
            }
        }
    }

    /// Executes a batch, which begins behind the byte at `before`, and writes its replies; false when the connection is to
    /// be closed.
    async fn run(
        &mut self,
        batch: Commands,
        before: u64,
        parser: &mut Parser,
        stop: &CancellationToken,
    ) -> io::Result<bool> {
        let stamps = self.stream.stamps();
        let wake = Mark { offset: parser.offset(), ..stamps.last_read() };
        let size = wake.offset - before;
        let name = self.recorder.enabled().then(|| spans::name(&batch));
        let mut turns = Turns::default();
        let mut commands = batch;
        while !commands.is_empty() {
            let (reply, done) = oneshot::channel();
            let session = std::mem::take(&mut self.session);
            let output = std::mem::take(&mut self.replies);
            let request = Request { commands, session, output, submitted: clock::now(), reply };
            let sent = self.jobs.send(Job::Request(Box::new(request))).await;
            let Some(done) = (if sent.is_ok() { done.await.ok() } else { None }) else {
                return Err(io::Error::other("the store is ending"));
            };
            let Done { output, session, rest, times: part, changes } = done;
            self.session = session;
            turns.push(part);
            self.stream.write_all(&output.bytes).await?;
            self.replies.reuse(output);
            commands = rest;
            if self.session.closing {
                break;
            }
            if let Some(blocked) = self.session.blocked.take() {
                self.session.waits_until = Some(blocked.until);
                let _waiting = Open::new(&self.blocked);
                if !self.wait(blocked.until, changes, parser, stop).await? {
                    return Ok(false);
                }
            }
        }
        parser.recycle(commands);
        if let Some(name) = name {
            self.recorder.record(Batch::new(name, &stamps, (wake, size), turns));
        }
        Ok(!self.session.closing)
    }

    /// Waits until something has changed or it is late; false when the client or the store is leaving.
    async fn wait(
        &mut self,
        until: u64,
        seen: u64,
        parser: &mut Parser,
        stop: &CancellationToken,
    ) -> io::Result<bool> {
        let left = Duration::from_millis(until.saturating_sub(clock::now() / 1_000_000));
        let change = tokio::time::timeout(left, self.changes.wait_for(|changes| *changes > seen));
        tokio::pin!(change);
        loop {
            let room = READ_SIZE.saturating_sub(parser.waiting());
            // Reading on is how one learns that a client has left; what it says meanwhile waits its turn.
            let mut input = (&mut self.stream).take(room as u64);
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(false),
                outcome = &mut change => return Ok(!matches!(outcome, Ok(Err(_)))),
                read = input.read_buf(parser.spare(room)), if room > 0 => if read? == 0 {
                    return Ok(false);
                },
            }
        }
    }

    /// Closes so that the last reply arrives: closing a socket with unread input would reset it, and the
    /// client's kernel would then throw away what it has not read yet.
    async fn close(mut self) -> io::Result<()> {
        self.stream.shutdown().await?;
        let mut unread = (&mut self.stream).take(BATCH_BYTES as u64);
        let mut nowhere = tokio::io::sink();
        let drain = tokio::io::copy(&mut unread, &mut nowhere);
        let _ = tokio::time::timeout(LINGER, drain).await;
        Ok(())
    }
}

/// Ends when a connection has been idle for too long; never when there is no limit.
async fn silence(limit: Option<Duration>) {
    match limit {
        None => std::future::pending().await,
        // Not a pause: the deadline of the read that it races with.
        Some(limit) => hop::wait::deadline(limit).await,
    }
}
