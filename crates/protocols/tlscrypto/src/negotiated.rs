//! What a handshake agreed on, in the words of OpenTelemetry and of IANA's registries.

use rustls::{CommonState, ProtocolVersion};

/// The version of TLS, such as `1.3`.
pub fn version(session: &CommonState) -> &'static str {
    match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "1.3",
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        _ => "unknown",
    }
}

/// The cipher suite, such as `TLS_AES_256_GCM_SHA384`: rustls marks those of TLS 1.3 with a prefix of its own.
pub fn cipher(session: &CommonState) -> String {
    let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    suite.unwrap_or("unknown").replace("TLS13_", "TLS_")
}

/// The group of the key exchange, as IANA writes it but for the letters' case.
pub fn group(session: &CommonState) -> String {
    session.negotiated_key_exchange_group().map_or("none".to_owned(), |group| format!("{:?}", group.name()))
}
