//! Which files of a folder did the lab make? It may make those anew, and must not touch any other: the folder is
//! whichever the plan names, and may be somebody's own.

use std::path::Path;

use anyhow::ensure;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::CertificateDer;

use super::files::read;
use super::issue::ORGANISATION;

/// Fails when something would be overwritten that the lab did not make. `pairs` are the names of certificates and of
/// their keys, without `.pem` and `.key`.
pub(super) fn check(folder: &Path, pairs: &[&str]) -> anyhow::Result<()> {
    let certificates: Vec<_> = pairs.iter().map(|name| certificate(folder, name)).collect();
    // A folder with one of our certificates is ours, and what is broken in it may be mended.
    let ours = certificates.iter().flatten().any(is_made_here);
    let mut theirs: Vec<String> = Vec::new();
    for (name, certificate) in pairs.iter().zip(&certificates) {
        let (file, key_file) = (format!("{name}.pem"), format!("{name}.key"));
        let there = |file: &str| folder.join(file).exists();
        if there(&file) && (!ours || certificate.as_ref().is_some_and(|of| !is_made_here(of))) {
            theirs.push(file);
        }
        let wrong = |key: &str| certificate.as_ref().is_some_and(|certificate| !is_key_of(key, certificate));
        if there(&key_file) && (!ours || key(folder, &key_file).is_some_and(|key| wrong(&key))) {
            theirs.push(key_file);
        }
    }
    let signs =
        |key: &str| KeyPair::from_pem(key).is_ok_and(|key| key.is_compatible(&PKCS_ECDSA_P256_SHA256));
    for file in ["jwt.key", "jwt.pub"] {
        if folder.join(file).exists() && (!ours || key(folder, file).is_some_and(|key| !signs(&key))) {
            theirs.push(file.to_owned());
        }
    }
    ensure!(
        theirs.is_empty(),
        "{} holds what the lab did not make, or a key that is not its certificate's: {}. Nothing was written\n  what to \
         do: move that away; or give the lab a folder of its own, `lab --set lab.certs=FOLDER`",
        plan::workspace::shown(folder),
        theirs.join(", ")
    );
    Ok(())
}

fn certificate(folder: &Path, name: &str) -> Option<CertificateDer<'static>> {
    tlscrypto::pem::certificates(&folder.join(format!("{name}.pem"))).ok()?.into_iter().next()
}

/// The text of a file that holds a private key of any kind, readable for us or not.
fn key(folder: &Path, file: &str) -> Option<String> {
    read(&folder.join(file)).filter(|text| text.contains("PRIVATE KEY-----"))
}

/// All of ours name the lab as their issuer.
fn is_made_here(certificate: &CertificateDer<'static>) -> bool {
    holds(certificate, ORGANISATION.as_bytes())
}

fn is_key_of(key: &str, certificate: &CertificateDer<'_>) -> bool {
    KeyPair::from_pem(key).is_ok_and(|key| holds(certificate, key.public_key_raw()))
}

fn holds(certificate: &CertificateDer<'_>, bytes: &[u8]) -> bool {
    certificate.windows(bytes.len()).any(|window| window == bytes)
}
