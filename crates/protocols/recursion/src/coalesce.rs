//! The same work wanted by many is done once, and all get its result.
//!
//! A popular name that expires is queried by every client in the same moment. A recursion for each of them
//! would multiply the load on the name servers, and give a forger as many chances to guess
//! (RFC 5452 §5, the "birthday" attack).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

/// Work in progress, by what it is for.
pub struct Coalesce<K, V> {
    running: Mutex<HashMap<K, watch::Receiver<Option<V>>>>,
}

/// The outcome of work that was started or joined.
pub struct Done<V> {
    /// The same for all who waited.
    pub value: V,
    /// Somebody else had already started it.
    pub joined: bool,
}

impl<K, V> Default for Coalesce<K, V> {
    fn default() -> Self {
        Coalesce { running: Mutex::default() }
    }
}

impl<K, V> Coalesce<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Joins the work for `key` if it is running, or else starts it, as a task of its own: who started it
    /// may go away without harm to those who joined. `None` if the program ends meanwhile.
    pub async fn run<F>(self: &Arc<Self>, key: K, work: impl FnOnce() -> F) -> Option<Done<V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let (mut result, start) = match self.running().entry(key.clone()) {
            Entry::Occupied(running) => (running.get().clone(), None),
            Entry::Vacant(vacant) => {
                let (sender, receiver) = watch::channel(None);
                (vacant.insert(receiver).clone(), Some(sender))
            }
        };
        let joined = start.is_none();
        if let Some(sender) = start {
            let (this, work) = (Arc::clone(self), work());
            tokio::spawn(async move {
                let value = work.await;
                this.running().remove(&key);
                let _ = sender.send(Some(value));
            });
        }
        let value = result.wait_for(Option::is_some).await.ok()?.clone()?;
        Some(Done { value, joined })
    }

    fn running(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        self.running.lock()
    }
}
