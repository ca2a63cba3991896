//! TLS as the browser speaks it: whom it trusts, what it offers.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

use crate::pem;

/// Trusts the certificate authorities in a PEM file and nothing else; offers these versions of TLS, and by ALPN one
/// protocol. It keeps the tickets of sessions that can be resumed.
///
/// # Errors
/// The file cannot be read or holds no certificate.
pub fn client_config(
    ca: &Path,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[u8],
) -> anyhow::Result<ClientConfig> {
    let remedy = || format!("trust the certificate authority {} (`lab certs` makes the lab's)", ca.display());
    let mut roots = RootCertStore::empty();
    for certificate in pem::certificates(ca).with_context(remedy)? {
        roots.add(certificate).with_context(remedy)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(crate::provider()))
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Ok(config)
}
