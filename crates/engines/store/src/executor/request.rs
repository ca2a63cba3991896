//! What connections send to the executor, and what they get back.

use tokio::sync::oneshot;

use crate::protocol::Commands;
use crate::reply::Output;
use crate::session::Session;

/// What is sent to the executor.
#[derive(Debug)]
pub(crate) enum Job {
    Request(Box<Request>),
    /// A second has passed: flush (APPENDFSYNC=everysec), remove what expired, look for room on a full disk.
    Tick,
    /// Flush and end, whoever may still want something.
    End,
}

/// Commands of one connection, in order.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) commands: Commands,
    /// Memory for the replies.
    pub(crate) output: Output,
    pub(crate) session: Session,
    /// When it was handed over, in nanoseconds since the Unix epoch.
    pub(crate) submitted: u64,
    pub(crate) reply: oneshot::Sender<Done>,
}

/// A request that was executed, with its replies; what it changed is durable.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) output: Output,
    pub(crate) session: Session,
    /// The commands that did not run yet because the replies had grown large.
    pub(crate) rest: Commands,
    pub(crate) times: Times,
    /// How many groups had changed something when its commands had run.
    pub(crate) changes: u64,
}

/// When what happened to a request, as start and end in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) queue: (u64, u64),
    pub(crate) execute: (u64, u64),
    /// Absent when the group changed nothing.
    pub(crate) append: Option<(u64, u64)>,
    pub(crate) fsync: Option<(u64, u64)>,
}
