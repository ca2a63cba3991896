//! The keys of the browser's own TLS sessions, in the form that browsers write to SSLKEYLOGFILE and
//! Wireshark reads: whoever has them can read what was captured.

use std::fmt;
use std::fs::File;
use std::io::Write as _;

use parking_lot::Mutex;
use rustls::KeyLog;

/// An open file of keys.
pub(crate) struct KeyFile(Mutex<File>);

impl KeyFile {
    pub(crate) fn new(file: File) -> Self {
        KeyFile(Mutex::new(file))
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file of session keys")
    }
}

impl KeyLog for KeyFile {
    /// One line per secret in the NSS key log format: label, client random, secret, the latter two in hexadecimal.
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        if let Err(error) = self.0.lock().write_all(line.as_bytes()) {
            tracing::warn!(%error, "a session's keys could not be written");
        }
    }
}
