//! TLS as every HTTPS server here offers it.

use std::sync::Arc;

use rustls::server::ResolvesServerCert;
use rustls::{Error, ServerConfig};

/// TLS 1.3 and 1.2, HTTP/2 and HTTP/1.1 by ALPN, and the certificate that `certificates` chooses.
///
/// # Errors
/// The provider has no cipher suite for these versions.
pub fn server_config(certificates: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, Error> {
    // The provider is named: a default would be whatever another crate installed for the process.
    let mut config = ServerConfig::builder_with_provider(Arc::new(crate::provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    // Ours first: a client that speaks both gets HTTP/2 (RFC 7301 §3.2: the server chooses).
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
