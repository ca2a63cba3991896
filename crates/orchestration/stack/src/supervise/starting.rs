//! How far a start is, for whoever looks on.

use std::sync::Arc;

use parking_lot::Mutex;

use super::status::{State, Status};

/// Who is ready and who is waited for, while a stack starts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Starting(Arc<Mutex<Begun>>);

#[derive(Default)]
struct Begun {
    /// Of the programs that were started so far.
    statuses: Vec<Arc<Mutex<Status>>>,
    /// A program of somebody else that has to answer first.
    external: Option<String>,
}

impl Starting {
    pub(super) fn begun(&self, status: Arc<Mutex<Status>>) {
        let mut begun = self.0.lock();
        begun.external = None;
        begun.statuses.push(status);
    }

    pub(crate) fn await_external(&self, hop: &str) {
        self.0.lock().external = Some(hop.to_owned());
    }

    /// How many programs are ready.
    pub fn ready(&self) -> usize {
        self.0.lock().statuses.iter().filter(|status| status.lock().state == State::Ready).count()
    }

    /// Who was started, or is somebody else's, and is not ready yet.
    pub fn awaited(&self) -> Vec<String> {
        let begun = self.0.lock();
        let own = begun.statuses.iter().map(|status| status.lock());
        let own = own.filter(|status| status.state != State::Ready).map(|status| status.name.clone());
        own.chain(begun.external.clone()).collect()
    }
}
