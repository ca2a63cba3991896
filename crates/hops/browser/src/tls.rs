//! TLS from the client's side: whom it trusts, which sessions it can resume.

use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use hop::Stamped;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, KeyLog, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a client trusts, and the sessions it can resume. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// Trusts the certificate authorities in a PEM file and nothing else; tells the sessions' keys to `keys`.
    ///
    /// # Errors
    /// The file cannot be read or holds no certificate.
    pub fn trusting(ca: &Path, keys: Option<Arc<dyn KeyLog>>) -> anyhow::Result<Self> {
        let mut config = config(ca, rustls::DEFAULT_VERSIONS)?;
        if let Some(keys) = keys {
            config.key_log = keys;
        }
        Ok(Tls(Arc::new(config)))
    }

    /// Trusts the same, and speaks these versions of TLS only.
    ///
    /// # Errors
    /// As [`Tls::trusting`].
    pub fn of_versions(ca: &Path, versions: &[&'static SupportedProtocolVersion]) -> anyhow::Result<Self> {
        Ok(Tls(Arc::new(config(ca, versions)?)))
    }

    /// The handshake, over a connection.
    ///
    /// # Errors
    /// What rustls says: the certificate is not for `host`, not from the authority, … .
    pub async fn handshake(&self, host: &str, stream: Stamped) -> io::Result<TlsStream<Stamped>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }
}

fn config(ca: &Path, versions: &[&'static SupportedProtocolVersion]) -> anyhow::Result<ClientConfig> {
    let remedy = || format!("read the lab's certificate authority {} (`lab certs`)", ca.display());
    let mut roots = RootCertStore::empty();
    for certificate in tlscrypto::pem::certificates(ca).with_context(remedy)? {
        roots.add(certificate).with_context(remedy)?;
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(tlscrypto::provider()))
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
