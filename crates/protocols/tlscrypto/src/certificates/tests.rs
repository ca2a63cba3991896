use super::*;

fn files(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["a.com".to_owned()]).unwrap();
    let (certificate, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

#[test]
fn wrong_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files(folder.path(), "good");
    let (_, stranger) = files(folder.path(), "other");
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    for (certificate, key, said) in [
        (&missing, &key, "read the certificate"),
        (&certificate, &missing, "read the key"),
        (&empty, &key, "contains no certificate"),
        (&certificate, &empty, "read the key"),
        (&certificate, &certificate, "read the key"),
        (&certificate, &stranger, "KeyMismatch"),
    ] {
        let error = format!("{:#}", Certificates::load(certificate, key).unwrap_err());
        assert!(error.contains(said), "{error}");
    }
    Certificates::load(&certificate, &key).unwrap();
}

#[test]
fn a_broken_new_certificate_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = files(folder.path(), "good");
    let certificates = Certificates::load(&certificate, &key).unwrap();
    let current = || certificates.current.read().cert.clone();
    let old = current();
    std::fs::write(&certificate, "nonsense").unwrap();
    certificates.reload().unwrap_err();
    assert_eq!(current(), old);
    files(folder.path(), "good");
    certificates.reload().unwrap();
    assert_ne!(current(), old);
}
