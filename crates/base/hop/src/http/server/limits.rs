//! What bounds a server.

use std::time::Duration;

use super::min_rate::MinRate;

/// What a client may cost. The table of all limits is in `docs/limits.md`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests answered at the same time, each from its body held (see [`Limits::hold`]) to its response's
    /// head; more are refused with 503.
    pub requests: usize,
    /// From the handler called to the response's head.
    pub request_time: Duration,
    /// Connections at the same time, as the accept loop allows them: when more than half are taken, one without a
    /// request is closed after a second instead of [`Limits::head_time`].
    pub connections: usize,
    /// From the connection, or the previous response, to a complete request head.
    pub head_time: Duration,
    /// Bytes of a request's head, counted as HTTP/1.1 writes it.
    pub head_bytes: usize,
    /// Fields of a request's head.
    pub headers: usize,
    /// Streams of one HTTP/2 connection at the same time.
    pub streams: u32,
    /// How slowly bodies may pass, in both directions.
    pub min_rate: MinRate,
    /// Bytes of a request's body that are held before its handler is called: a body that comes slowly then
    /// holds nothing but these. Nothing is held of a body that is announced to be longer than
    /// [`Limits::body`], that waits for `100 Continue`, or of gRPC, where the two sides talk in turns.
    pub hold: usize,
    /// Requests at the same time whose handlers are called before their bodies are whole; more wait. One
    /// connection gets an eighth of them.
    pub streaming: usize,
    /// The longest request body that the handler wants, in bytes. The handler itself refuses longer ones.
    pub body: u64,
}

impl Default for Limits {
    /// For a hop inside: its heads are those of the edge and what the hops before it have added.
    fn default() -> Self {
        Limits {
            requests: 4096,
            connections: 4096,
            request_time: Duration::from_secs(30),
            head_time: Duration::from_secs(60),
            head_bytes: 128 << 10,
            headers: 160,
            streams: 128,
            min_rate: MinRate::default(),
            hold: 64 << 10,
            streaming: 128,
            body: u64::MAX,
        }
    }
}
