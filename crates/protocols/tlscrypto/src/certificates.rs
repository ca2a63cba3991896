//! A server's certificate that can be replaced while it serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::pem::certified_key;

/// The certificate of the moment; it can be replaced while connections run.
#[derive(Debug)]
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Reads a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    /// A file is missing or broken, or the key is not the certificate's.
    pub fn load(certificate: &Path, key: &Path) -> anyhow::Result<Arc<Self>> {
        let current = RwLock::new(Arc::new(certified_key(certificate, key)?));
        Ok(Arc::new(Certificates { certificate: certificate.to_owned(), key: key.to_owned(), current }))
    }

    /// Reads both files again. New handshakes use the new certificate; connections that exist have no
    /// more use for the old one and go on.
    ///
    /// # Errors
    /// As [`Certificates::load`]; the old certificate then stays in service.
    pub fn reload(&self) -> anyhow::Result<()> {
        let new = Arc::new(certified_key(&self.certificate, &self.key)?);
        *self.current.write() = new;
        Ok(())
    }
}

impl ResolvesServerCert for Certificates {
    /// Whatever name the client wants: there is one certificate.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

#[cfg(test)]
mod tests;
