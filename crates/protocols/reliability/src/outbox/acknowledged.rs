//! What Kafka has and the outboxes still hold.

use std::collections::{BTreeSet, HashMap};

use hop::http::{Deferred, Exchange};
use parking_lot::Mutex;
use redis_client::StreamId;

use crate::pending::Pending;

/// How many acknowledged messages may wait to be taken out of their outboxes; whoever holds the claim finds what is
/// more.
const REMOVALS: usize = 10_000;

/// An owner's message that Kafka has, so that it can leave the outbox.
pub(crate) struct Acknowledged {
    pub(crate) owner: String,
    pub(crate) id: StreamId,
    /// The request that published it.
    pub(crate) cause: Option<Deferred>,
}

/// What this process published and did not take out of the outboxes yet.
pub(crate) struct Acknowledgements {
    ids: Mutex<HashMap<String, BTreeSet<StreamId>>>,
    /// For the relay to take out.
    pub(crate) removals: Pending<Acknowledged>,
}

impl Default for Acknowledgements {
    fn default() -> Self {
        Acknowledgements { ids: Mutex::default(), removals: Pending::new(REMOVALS) }
    }
}

impl Acknowledgements {
    /// Kafka has it: it can leave the outbox.
    pub(crate) fn add(&self, owner: &str, id: StreamId) {
        // Before it is handed on, or it might have left before it is remembered.
        self.ids.lock().entry(owner.to_owned()).or_default().insert(id);
        let cause = Exchange::current().defer();
        if !self.removals.push(Acknowledged { owner: owner.to_owned(), id, cause }) {
            // Too many wait: whoever holds the claim comes across it.
            self.removed(owner, id);
        }
    }

    /// It is not in the outbox any more.
    pub(crate) fn removed(&self, owner: &str, id: StreamId) {
        let mut all = self.ids.lock();
        if let Some(ids) = all.get_mut(owner) {
            ids.remove(&id);
            if ids.is_empty() {
                all.remove(owner);
            }
        }
    }

    pub(crate) fn contains(&self, owner: &str, id: StreamId) -> bool {
        self.ids.lock().get(owner).is_some_and(|ids| ids.contains(&id))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.ids.lock().is_empty()
    }
}
