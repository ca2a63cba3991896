//! The keys of the browser's own TLS sessions, in the form that browsers write to SSLKEYLOGFILE and
//! Wireshark reads: whoever has them can read what was captured.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use rustls::KeyLog;

/// An open file of keys that only its owner can read. Cheap to clone.
#[derive(Clone)]
pub(super) struct Keys(Arc<Sink>);

struct Sink(Mutex<File>);

impl Keys {
    pub(super) fn create(file: &Path) -> anyhow::Result<Self> {
        let opened = tap::private(file).with_context(|| format!("write {}", file.display()))?;
        Ok(Keys(Arc::new(Sink(Mutex::new(opened)))))
    }

    pub(super) fn sink(&self) -> Arc<dyn KeyLog> {
        self.0.clone()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of session keys")
    }
}

impl KeyLog for Sink {
    /// One line per secret in the NSS key log format: label, client random, secret, the latter two in hexadecimal.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::warn!(%error, "a session's keys could not be written");
        }
    }
}
