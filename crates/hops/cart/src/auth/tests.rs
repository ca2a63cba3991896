use hop::clock;
use hyper::header::{AUTHORIZATION, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_good_token_names_its_customer_and_no_customer_has_any_other_name() {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("generate a key");
    let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("read the key");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("jwt.pub.pem");
    std::fs::write(&file, pair.public_key_pem()).expect("write the public key");
    let verifier = Verifier::from_file(&file).expect("the key that was just made");
    let customer = |sub: Value| {
        let exp = clock::now() / 1_000_000_000 + 60;
        let claims = json!({"sub": sub, "iss": ISSUER, "aud": AUDIENCE, "exp": exp});
        let token = encode(&Header::new(Algorithm::ES256), &claims, &key).expect("sign");
        let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a header");
        verifier.customer(&HeaderMap::from_iter([(AUTHORIZATION, value)]))
    };
    assert_eq!(customer(json!("alice")).expect("a customer").cart_id(), "CART-alice");
    for wrong in [json!(""), json!("a b"), json!("x".repeat(65))] {
        let problem = customer(wrong.clone()).expect_err("no customer");
        assert_eq!((problem.status, problem.field.as_deref()), (401, Some("Authorization")));
        assert!(problem.detail.contains("sub"), "{wrong}: {}", problem.detail);
    }
}

#[test]
fn a_key_that_is_none_is_refused_at_the_start() {
    let error = Verifier::from_file(Path::new("/dev/null")).err().expect("no key");
    assert!(format!("{error:#}").contains("expected a PEM public key"), "{error:#}");
}
