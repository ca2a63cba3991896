//! Where the browser's thread runs.

use std::fmt;
use std::io;
use std::sync::Arc;

/// What the browser's thread does before anything else: on a host with a network of its own it enters that.
#[derive(Clone, Default)]
pub struct Entry(Option<Arc<dyn Fn() -> io::Result<()> + Send + Sync>>);

impl Entry {
    /// Calls `enter` on the thread.
    pub fn new(enter: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Entry {
        Entry(Some(Arc::new(enter)))
    }

    /// Calls it.
    ///
    /// # Errors
    /// Whatever it says.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |enter| enter())
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Entry(of a host)" } else { "Entry(here)" })
    }
}
