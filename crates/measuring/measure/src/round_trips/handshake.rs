//! A TLS handshake of one version, for its round trips only.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hop::Stamped;
use rustls::SupportedProtocolVersion;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

/// How often the client, having written, had to wait for the server until the handshake was done; `None`
/// when the server refuses this version.
pub(super) async fn turns(
    ca: &Path,
    host: &str,
    address: SocketAddr,
    version: &'static SupportedProtocolVersion,
) -> anyhow::Result<Option<u32>> {
    let config = tlscrypto::client_config(ca, &[version], b"h2")?;
    let name = ServerName::try_from(host.to_owned())?;
    let stream = Stamped::connect(address).await?;
    let stamps = stream.stamps();
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(_) => Ok(Some(stamps.turns())),
        Err(error) if error.get_ref().is_some_and(is_about_the_version) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// RFC 8446 §6.2: `protocol_version`, "recognized but not supported"; others say `handshake_failure`.
fn is_about_the_version(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    use rustls::{AlertDescription, Error};
    matches!(
        error.downcast_ref(),
        Some(Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure))
    )
}
