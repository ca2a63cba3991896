use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use plan::DEFAULT;

use super::issue::DAY;
use super::leaves::Leaf;
use super::*;

/// 2026-01-01, in nanoseconds.
const NOW: u64 = 1_767_225_600 * 1_000_000_000;
const DAYS: u64 = DAY * 1_000_000_000;

fn plan(sets: &[&str]) -> Plan {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Plan::parse("lab.toml", DEFAULT, Path::new(""), &sets, &[]).expect("a good plan")
}

fn ensure(folder: &Path, now: u64, renew: bool) -> Vec<bool> {
    let (_, shown) = Certs::ensure(folder, &plan(&[]), now, renew).expect("they are made");
    shown.iter().map(|shown| shown.renewed).collect()
}

#[test]
fn made_once_and_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(ensure(folder.path(), NOW, false), [true, true, true]);
    assert_eq!(ensure(folder.path(), NOW, false), [false, false, false]);
    assert_eq!(ensure(folder.path(), NOW, true), [true, true, true]);
}

#[test]
fn renewed_in_the_last_third_of_their_life() {
    let folder = tempfile::tempdir().expect("a folder");
    ensure(folder.path(), NOW, false);
    assert_eq!(ensure(folder.path(), NOW + 19 * DAYS, false), [false, false, false]);
    assert_eq!(ensure(folder.path(), NOW + 21 * DAYS, false), [false, true, true]);
    // A new authority signs new leaves.
    assert_eq!(ensure(folder.path(), NOW + 250 * DAYS, false), [true, true, true]);
}

#[test]
fn issued_anew_when_a_name_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    ensure(folder.path(), NOW, false);
    let moved = plan(&["hop.lb.listen=127.0.113.51:8443"]);
    let (_, shown) = Certs::ensure(folder.path(), &moved, NOW, false).expect("they are made");
    assert_eq!(shown.iter().map(|shown| shown.renewed).collect::<Vec<_>>(), [false, true, false]);
    // Another domain is beyond what the old authority may sign.
    let renamed = plan(&["shop.host=api.other.com"]);
    let (_, shown) = Certs::ensure(folder.path(), &renamed, NOW, false).expect("they are made");
    assert_eq!(shown.iter().map(|shown| shown.renewed).collect::<Vec<_>>(), [true, true, true]);
}

#[test]
fn a_broken_file_is_replaced() {
    for file in ["ca.pem", "ca.key", "lb.pem", "lb.key", "resolver.key"] {
        let folder = tempfile::tempdir().expect("a folder");
        ensure(folder.path(), NOW, false);
        std::fs::write(folder.path().join(file), "garbage").expect("it is writable");
        assert!(ensure(folder.path(), NOW, false).contains(&true), "{file}");
        assert_eq!(ensure(folder.path(), NOW, false), [false, false, false], "{file}");
    }
}

#[test]
fn keys_are_the_owners_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    ensure(folder.path(), NOW, false);
    let mode = |file: &str| {
        let metadata = std::fs::metadata(folder.path().join(file)).expect(file);
        metadata.permissions().mode() & 0o777
    };
    for key in ["ca.key", "lb.key", "resolver.key", "jwt.key"] {
        assert_eq!(mode(key), 0o600, "{key}");
    }
    for public in ["ca.pem", "lb.pem", "resolver.pem", "jwt.pub"] {
        assert_eq!(mode(public) & 0o444, 0o444, "{public}");
    }
}

#[test]
fn the_authority_can_sign_for_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = NOW / 1_000_000_000;
    let (authority, _) = issue::authority(folder.path(), "myshop.com", now, false).expect("it is made");
    let leaf = |names: &[&str], ip: [u8; 4]| Leaf {
        file: "probe",
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        addresses: vec![ip.into()],
    };
    let accepted = |leaf: &Leaf| {
        issue::leaf(folder.path(), &authority, leaf, now, true).expect("it signs anything");
        // A certificate that clients would refuse is issued again each time.
        !issue::leaf(folder.path(), &authority, leaf, now, false).expect("it signs anything").renewed
    };
    assert!(accepted(&leaf(&["api.myshop.com"], [127, 9, 9, 9])));
    assert!(!accepted(&leaf(&["api.example.com"], [127, 0, 0, 1])));
    assert!(!accepted(&leaf(&["api.myshop.com"], [93, 184, 216, 34])));
}

#[test]
fn tokens_verify_with_the_public_key() {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    let folder = tempfile::tempdir().expect("a folder");
    let now = hop::clock::now();
    let (certs, _) = Certs::ensure(folder.path(), &plan(&[]), now, false).expect("they are made");
    let token = certs.token("api.myshop.com", "789", now).expect("it signs");
    let public = std::fs::read(folder.path().join("jwt.pub")).expect("the public key");
    let key = DecodingKey::from_ec_pem(&public).expect("a P-256 key");
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&["api.myshop.com"]);
    validation.set_issuer(&["https://auth.myshop.com"]);
    let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &key, &validation).expect("it verifies");
    assert_eq!(claims.claims["sub"], "789");
    assert_eq!(claims.claims["exp"].as_u64(), claims.claims["iat"].as_u64().map(|iat| iat + 3600));
}

#[test]
fn what_the_lab_did_not_make_is_never_overwritten() {
    let refused = |folder: &Path, renew: bool, file: &str| {
        let before = std::fs::read(folder.join(file)).expect("it is there");
        let error = Certs::ensure(folder, &plan(&[]), NOW, renew).expect_err("it is refused").to_string();
        assert!(error.contains(file) && error.contains("what to do"), "{error}");
        assert_eq!(std::fs::read(folder.join(file)).expect("it is still there"), before);
    };
    // Somebody's own folder, whatever is in the file.
    for file in ["ca.pem", "ca.key", "lb.pem", "resolver.key", "jwt.key"] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(file), "somebody's").expect("it is writable");
        std::fs::write(folder.path().join("notes.txt"), "somebody's").expect("it is writable");
        refused(folder.path(), false, file);
        refused(folder.path(), true, file);
        assert!(std::fs::read_dir(folder.path()).expect("a folder").count() <= 3, "nothing else was made");
    }
    // Somebody's own certificate, or key, among the lab's.
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = rcgen::CertificateParams::new(vec!["api.myshop.com".to_owned()]).expect("a name");
    let certificate = certificate.self_signed(&key).expect("it signs");
    for (file, content) in
        [("lb.pem", certificate.pem()), ("ca.pem", certificate.pem()), ("lb.key", key.serialize_pem())]
    {
        let folder = tempfile::tempdir().expect("a folder");
        ensure(folder.path(), NOW, false);
        std::fs::write(folder.path().join(file), content).expect("it is writable");
        refused(folder.path(), false, file);
        refused(folder.path(), true, file);
    }
    // Other files are nobody's business.
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("README.md"), "text").expect("it is writable");
    assert_eq!(ensure(folder.path(), NOW, false), [true, true, true]);
}
