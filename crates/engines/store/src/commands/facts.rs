//! What the store knows of itself: for INFO and CONFIG, and for who decides by it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use crate::config::Settings;

/// What INFO and CONFIG tell.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// When the store began, in milliseconds since the Unix epoch.
    pub(crate) started: u64,
    pub(crate) settings: Settings,
    /// Connections that are open now, and all that there ever were.
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) accepted: Arc<AtomicU64>,
    /// Connections that wait for others to write.
    pub(crate) blocked: Arc<AtomicUsize>,
    /// Commands that were executed or queued.
    pub(crate) commands: u64,
    pub(crate) log: LogFacts,
}

/// What is known of the log, and what is wanted of it.
#[derive(Clone, Debug)]
pub(crate) struct LogFacts {
    /// Its length in bytes, now and after the last rewrite (or at the start).
    pub(crate) length: u64,
    pub(crate) base: u64,
    /// Whether the last write to it succeeded.
    pub(crate) healthy: bool,
    /// Someone said BGREWRITEAOF.
    pub(crate) wanted: Cell<bool>,
    pub(crate) rewriting: bool,
    /// How often it was rewritten, and whether the last attempt succeeded.
    pub(crate) rewrites: u64,
    pub(crate) rewrite_healthy: bool,
}

impl Default for LogFacts {
    fn default() -> Self {
        Self {
            length: 0,
            base: 0,
            healthy: true,
            wanted: Cell::new(false),
            rewriting: false,
            rewrites: 0,
            rewrite_healthy: true,
        }
    }
}
