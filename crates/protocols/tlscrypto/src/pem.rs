//! Certificates and keys out of PEM files (RFC 7468).

use std::path::Path;

use anyhow::{Context as _, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// All certificates of a file, in their order: for a server the leaf comes first (RFC 8446 §4.4.2).
///
/// # Errors
/// The file cannot be read, is broken, or holds none.
pub fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(|| format!("read the certificate {}", file.display()))?;
    ensure!(!certificates.is_empty(), "{} contains no certificate: expected PEM, leaf first", file.display());
    Ok(certificates)
}

/// A certificate chain with the private key of its leaf.
///
/// # Errors
/// A file cannot be read or is broken, or the key is not the certificate's.
pub fn certified_key(certificate: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain = certificates(certificate)?;
    let private =
        PrivateKeyDer::from_pem_file(key).with_context(|| format!("read the key {}", key.display()))?;
    CertifiedKey::from_der(chain, private, &crate::provider()).with_context(|| {
        format!("use the key {} with the certificate {}", key.display(), certificate.display())
    })
}
