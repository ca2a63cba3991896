//! Issuing: an authority that may sign for the shop and for addresses of this machine alone, and leaves for the hops.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Serialize;

use super::files::{Access, read, write};
use super::leaves::Leaf;
use super::validity::Validity;

/// How long the authority is valid, in seconds.
const AUTHORITY_SECONDS: u64 = 365 * DAY;
/// How long a leaf is valid, in seconds.
const LEAF_SECONDS: u64 = 30 * DAY;
pub(super) const DAY: u64 = 86_400;
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 0);
const TEST_NET_2: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 0);
const TEST_NET_3: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);
/// Who issues, in every certificate.
pub(super) const ORGANISATION: &str = "request-journey lab";

/// A certificate as `lab certs` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct CertificateFile {
    /// PEM; its key lies beside it.
    pub file: PathBuf,
    /// The names and addresses that it vouches for.
    pub names: Vec<String>,
    /// From when to when it is valid, in seconds since the Unix epoch.
    pub validity: Validity,
    /// Was it made just now?
    pub renewed: bool,
}

/// The authority, ready to sign.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// Loads the authority, or makes a new one.
pub(super) fn authority(
    folder: &Path,
    domain: &str,
    now: u64,
    renew: bool,
) -> anyhow::Result<(Authority, Vec<CertificateFile>)> {
    let (file, key_file) = (folder.join("ca.pem"), folder.join("ca.key"));
    let shown = |validity, renewed| {
        vec![CertificateFile {
            file: file.clone(),
            names: vec![format!("CA for {domain} and loopback")],
            validity,
            renewed,
        }]
    };
    let good = || {
        let key = KeyPair::from_pem(&read(&key_file)?).ok()?;
        let certificate = tlscrypto::pem::certificates(&file).ok()?.swap_remove(0);
        let validity = Validity::of(&certificate).filter(|validity| validity.is_fresh(now))?;
        // It must be this key's, and may sign for this domain: shown by signing something.
        let issuer = Issuer::new(authority_params(domain), key);
        let authority = Authority { issuer, certificate };
        let probe = Leaf {
            file: "",
            names: vec![domain.to_owned()],
            addresses: [LOOPBACK, TEST_NET_2, TEST_NET_3].map(IpAddr::V4).to_vec(),
        };
        let (certificate, _) = sign(&authority, &probe, now).ok()?;
        fits(&authority, certificate.der(), &probe, now).then_some((authority, validity))
    };
    if let Some((authority, validity)) = good().filter(|_| !renew) {
        return Ok((authority, shown(validity, false)));
    }
    let key = KeyPair::generate().context("make the authority's key")?;
    let mut params = authority_params(domain);
    limit(&mut params, now, AUTHORITY_SECONDS);
    let certificate = params.self_signed(&key).context("sign the authority's certificate")?;
    let validity = Validity::of(certificate.der()).context("read back the authority's validity")?;
    write_pair(&file, &certificate.pem(), &key_file, &key.serialize_pem())?;
    let der = certificate.der().clone();
    Ok((Authority { issuer: Issuer::new(params, key), certificate: der }, shown(validity, true)))
}

/// What the authority's certificate says of it; with its key this is all that signing needs.
fn authority_params(domain: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
    params.distinguished_name.push(DnType::CommonName, "request-journey lab CA, for this machine only");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName(domain.to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(LOOPBACK.into(), 8)),
            // For documentation (RFC 5737): no address there is anybody's, but in the lab's own network.
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(TEST_NET_2.into(), 24)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(TEST_NET_3.into(), 24)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    params
}

/// Loads a leaf, or issues a new one with a new key.
pub(super) fn leaf(
    folder: &Path,
    authority: &Authority,
    leaf: &Leaf,
    now: u64,
    renew: bool,
) -> anyhow::Result<CertificateFile> {
    let (file, key_file) =
        (folder.join(format!("{}.pem", leaf.file)), folder.join(format!("{}.key", leaf.file)));
    let shown = |validity, renewed| CertificateFile {
        file: file.clone(),
        names: leaf.all_names(),
        validity,
        renewed,
    };
    let good = || {
        KeyPair::from_pem(&read(&key_file)?).ok()?;
        let certificate = tlscrypto::pem::certificates(&file).ok()?.swap_remove(0);
        let validity = Validity::of(&certificate).filter(|validity| validity.is_fresh(now))?;
        fits(authority, &certificate, leaf, now).then_some(validity)
    };
    if let Some(validity) = good().filter(|_| !renew) {
        return Ok(shown(validity, false));
    }
    let (certificate, key) = sign(authority, leaf, now)?;
    let validity = Validity::of(certificate.der()).context("read back the validity")?;
    write_pair(&file, &certificate.pem(), &key_file, &key.serialize_pem())?;
    Ok(shown(validity, true))
}

/// A certificate without its key is noticed next time; one beside another's key would look like somebody else's.
fn write_pair(file: &Path, certificate: &str, key_file: &Path, key: &str) -> anyhow::Result<()> {
    let _ = std::fs::remove_file(key_file);
    write(file, certificate, Access::Public)?;
    write(key_file, key, Access::Secret)
}

fn sign(authority: &Authority, leaf: &Leaf, now: u64) -> anyhow::Result<(rcgen::Certificate, KeyPair)> {
    let key = KeyPair::generate().context("make a key")?;
    let mut params = CertificateParams::new(leaf.names.clone()).context("name the certificate")?;
    params.subject_alt_names.extend(leaf.addresses.iter().map(|ip| SanType::IpAddress(*ip)));
    params.distinguished_name = Default::default();
    params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    limit(&mut params, now, LEAF_SECONDS);
    let certificate = params.signed_by(&key, &authority.issuer).context("sign the certificate")?;
    Ok((certificate, key))
}

fn limit(params: &mut CertificateParams, now: u64, life: u64) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // From an hour ago on: clocks of virtual machines jump.
    params.not_before = epoch + Duration::from_secs(now.saturating_sub(3600));
    params.not_after = epoch + Duration::from_secs(now + life.max(DAY));
}

/// Would a client that trusts the authority accept this certificate for every name it is for?
///
/// Verified with the code that clients use, so that chain, names and constraints count as they do there.
fn fits(authority: &Authority, certificate: &CertificateDer<'_>, leaf: &Leaf, now: u64) -> bool {
    let mut roots = RootCertStore::empty();
    if roots.add(authority.certificate.clone()).is_err() {
        return false;
    }
    let provider = Arc::new(tlscrypto::provider());
    let Ok(verifier) = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build() else {
        return false;
    };
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
    leaf.all_names().iter().all(|name| {
        // A wildcard stands for any one label.
        let name = name.replacen('*', "any", 1);
        ServerName::try_from(name).is_ok_and(|name| {
            use rustls::client::danger::ServerCertVerifier as _;
            verifier.verify_server_cert(certificate, &[], &name, &[], now).is_ok()
        })
    })
}
