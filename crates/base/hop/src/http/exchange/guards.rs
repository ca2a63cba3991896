//! What lasts until it is dropped: something that a hop does, or another program that it waits for.

use std::borrow::Cow;

use journey::{PartKind, Value};

use super::Exchange;
use crate::clock;

impl Exchange {
    /// Begins something that this program does itself, such as `validate`; it ends when the guard is dropped.
    ///
    /// It becomes an INTERNAL span and an entry in `Server-Timing`.
    pub fn internal(&self, name: &'static str) -> Doing {
        Doing::begin(self, Some(PartKind::Own), name)
    }

    /// As [`Exchange::internal`], for a time in which this program only waits: for a worker, a connection, a disk.
    pub fn wait(&self, name: &'static str) -> Doing {
        Doing::begin(self, Some(PartKind::Wait), name)
    }

    /// Says in `Server-Timing`, when the guard is dropped, how long something took in all as this program saw it: for
    /// an upstream, whose exact times are in the CLIENT spans.
    pub fn timed(&self, name: &'static str) -> Doing {
        Doing::begin(self, None, name)
    }

    /// As [`Exchange::waited`], from now until the guard is dropped; waits at the same time count once.
    pub(crate) fn waiting(&self) -> Waiting {
        self.0.state.lock().timing.wait_begins(clock::now());
        Waiting(self.clone())
    }
}

/// Another program is being waited for; see [`Exchange::waiting`].
pub(crate) struct Waiting(pub(super) Exchange);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.0.state.lock().timing.wait_ends(clock::now());
    }
}

/// Something in progress inside a hop; see [`Exchange::internal`].
pub struct Doing {
    exchange: Exchange,
    /// Of its span, if it becomes one.
    kind: Option<PartKind>,
    name: &'static str,
    start: u64,
    attributes: Vec<(Cow<'static, str>, Value)>,
}

impl Doing {
    pub(super) fn begin(exchange: &Exchange, kind: Option<PartKind>, name: &'static str) -> Self {
        Doing { exchange: exchange.clone(), kind, name, start: clock::now(), attributes: Vec::new() }
    }

    /// Adds a fact to its span.
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        if self.exchange.sampled() {
            self.attributes.push((Cow::Borrowed(key), value.into()));
        }
        self
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        let end = clock::now();
        if let Some(kind) = self.kind.filter(|_| self.exchange.sampled()) {
            let mut span = self.exchange.part(kind, self.name, self.start, end);
            span.attributes.append(&mut self.attributes);
            self.exchange.emit(span);
        }
        self.exchange.timing(self.name, end.saturating_sub(self.start));
    }
}
