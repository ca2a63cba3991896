//! The bearer token: who may touch which cart.

use std::path::Path;

use anyhow::Context as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::files::{Access, read, write};
use super::leaves::domain;

/// How long a token is good, in seconds.
const LIFETIME: u64 = 3600;
const FILE: &str = "jwt.key";
const PUBLIC_FILE: &str = "jwt.pub";

/// The claims (RFC 7519 §4.1).
#[derive(Serialize)]
struct Claims<'a> {
    iss: String,
    aud: &'a str,
    sub: &'a str,
    iat: u64,
    exp: u64,
}

/// Sees to it that the signing key and its public half are there: P-256, as ES256 wants it.
pub(super) fn ensure(folder: &Path, renew: bool) -> anyhow::Result<()> {
    let (file, public_file) = (folder.join(FILE), folder.join(PUBLIC_FILE));
    let key = read(&file).and_then(|pem| rcgen::KeyPair::from_pem(&pem).ok());
    if let Some(key) = key.filter(|_| !renew) {
        if read(&public_file).is_none_or(|public| public != key.public_key_pem()) {
            write(&public_file, &key.public_key_pem(), Access::Public)?;
        }
        return Ok(());
    }
    let key = rcgen::KeyPair::generate().context("make the token's signing key")?;
    write(&file, &key.serialize_pem(), Access::Secret)?;
    write(&public_file, &key.public_key_pem(), Access::Public)
}

/// Signs a token; `now` in seconds since the Unix epoch.
pub(super) fn mint(folder: &Path, host: &str, subject: &str, now: u64) -> anyhow::Result<String> {
    let file = folder.join(FILE);
    let pem = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
    let key = EncodingKey::from_ec_pem(&pem).with_context(|| format!("use the key in {}", file.display()))?;
    let claims = Claims {
        iss: format!("https://auth.{}", domain(host)),
        aud: host,
        sub: subject,
        iat: now,
        exp: now + LIFETIME,
    };
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).context("sign the token")
}
