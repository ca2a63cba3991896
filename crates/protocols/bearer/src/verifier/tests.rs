use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hop::clock;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::{Value, json};

use super::Verifier;

struct Issuer {
    key: EncodingKey,
    public: String,
}

impl Issuer {
    fn new() -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("generate a key");
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).expect("read the key");
        Issuer { key, public: pair.public_key_pem() }
    }

    fn token(&self, claims: &Value) -> String {
        encode(&Header::new(Algorithm::ES256), claims, &self.key).expect("sign")
    }

    /// With any header, which the library would not write.
    fn signed(&self, header: &Value, claims: &Value) -> String {
        self.signed_text(&header.to_string(), &claims.to_string())
    }

    fn signed_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, Algorithm::ES256);
        format!("{message}.{}", signature.expect("sign"))
    }

    fn verifier(&self) -> Verifier {
        Verifier::from_pem(self.public.as_bytes(), "https://auth.myshop.com", "api.myshop.com")
            .expect("the key that was just made")
    }
}

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);

fn claims() -> Value {
    let now = clock::now() / 1_000_000_000;
    json!({"sub": "alice", "iss": "https://auth.myshop.com", "aud": "api.myshop.com", "exp": now + 60})
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn headers(values: &[&str]) -> HeaderMap {
    values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_str(value).expect("a header"))).collect()
}

/// The subject, or what `WWW-Authenticate` and the detail say; the same when it is asked again.
fn verify(values: &[&str]) -> Result<String, (String, String)> {
    let verifier = ISSUER.verifier();
    let outcome = verify_with(&verifier, values);
    assert_eq!(verify_with(&verifier, values), outcome, "{values:?}");
    outcome
}

fn verify_with(verifier: &Verifier, values: &[&str]) -> Result<String, (String, String)> {
    verifier.subject(&headers(values)).map_err(|problem| {
        assert_eq!((problem.status, problem.field.as_deref()), (401, Some("Authorization")));
        let detail = problem.detail.clone();
        let response = problem.into_response();
        let challenge = &response.headers()["www-authenticate"];
        (challenge.to_str().expect("text").to_owned(), detail)
    })
}

#[test]
fn a_good_token_names_its_subject() {
    let token = ISSUER.token(&claims());
    assert_eq!(verify(&[&format!("Bearer {token}")]).as_deref(), Ok("alice"));
    assert_eq!(verify(&[&format!("bearer {token}")]).as_deref(), Ok("alice"));
    let several = ISSUER.token(&with("aud", json!(["other", "api.myshop.com"])));
    assert_eq!(verify(&[&format!("Bearer {several}")]).as_deref(), Ok("alice"));
}

#[test]
fn every_other_token_is_invalid_and_says_why() {
    let now = clock::now() / 1_000_000_000;
    let mut without_exp = claims();
    without_exp.as_object_mut().expect("an object").remove("exp");
    for (claims, reason) in [
        (with("exp", json!(now - 1)), "expired"),
        (with("nbf", json!(now + 60)), "not valid yet"),
        (with("iss", json!("https://evil.example")), "iss"),
        (with("aud", json!("other")), "aud"),
        (with("sub", json!(5)), "sub"),
        // RFC 7519 §4.1.1: iss is a text, and no list that has the issuer in it.
        (with("iss", json!(["https://auth.myshop.com"])), "iss"),
        (with("iss", json!(["https://evil.example", "https://auth.myshop.com"])), "iss"),
        (with("iss", json!({"https://auth.myshop.com": 1})), "iss"),
        (with("iss", json!(null)), "iss"),
        (with("nbf", json!("tomorrow")), "nbf"),
        (with("exp", json!("never")), "exp"),
        (without_exp, "exp"),
    ] {
        let (challenge, detail) =
            verify(&[&format!("Bearer {}", ISSUER.token(&claims))]).expect_err("invalid");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(detail.contains(reason), "{claims}: {detail}");
    }
}

#[test]
fn only_the_issuers_signature_counts() {
    let stranger = Issuer::new().token(&claims());
    let (_, detail) = verify(&[&format!("Bearer {stranger}")]).expect_err("a stranger's token");
    assert!(detail.contains("signature"), "{detail}");

    // A token that names another algorithm is not verified with it: not with none, and not with the
    // public key as a shared secret.
    let secret = EncodingKey::from_secret(ISSUER.public.as_bytes());
    let shared = encode(&Header::new(Algorithm::HS256), &claims(), &secret).expect("sign");
    let (_, detail) = verify(&[&format!("Bearer {shared}")]).expect_err("HS256");
    assert!(detail.contains("ES256"), "{detail}");
    let good = ISSUER.token(&claims());
    let payload = good.split('.').nth(1).expect("three parts");
    for none in ["none", "None", "nOnE"] {
        let unsigned = format!("{}.{payload}.", part(&json!({"alg": none})));
        let (_, detail) = verify(&[&format!("Bearer {unsigned}")]).expect_err("no signature");
        assert!(detail.contains("alg none") && detail.contains("not signed"), "{detail}");
    }
    for other in [json!("RS256"), json!("ES999"), json!(7), json!(null)] {
        let token = ISSUER.signed(&json!({"alg": other}), &claims());
        let (_, detail) = verify(&[&format!("Bearer {token}")]).expect_err("another algorithm");
        assert!(detail.contains("must be signed with ES256"), "{other}: {detail}");
    }
}

/// RFC 7515 §4.1.11, also with a good signature.
#[test]
fn a_critical_extension_that_is_not_understood_is_refused() {
    let good = ISSUER.signed(&json!({"alg": "ES256", "typ": "JWT"}), &claims());
    assert_eq!(verify(&[&format!("Bearer {good}")]).as_deref(), Ok("alice"), "the test can sign");
    for (crit, member) in [
        (json!(["exp"]), "exp"),
        (json!(["b64"]), "b64"),
        (json!(["https://myshop.com/must"]), "https://myshop.com/must"),
        (json!([]), "x"),
        (json!("b64"), "b64"),
        (json!(null), "x"),
    ] {
        let token = ISSUER.signed(&json!({"alg": "ES256", "crit": crit, member: true}), &claims());
        let (_, detail) = verify(&[&format!("Bearer {token}")]).expect_err("not understood");
        assert!(detail.contains("crit"), "{crit}: {detail}");
    }
}

/// A token that was verified helps no other, however much they have in common.
#[test]
fn what_resembles_a_verified_token_is_refused() {
    let verifier = ISSUER.verifier();
    let token = ISSUER.token(&claims());
    assert_eq!(verify_with(&verifier, &[&format!("Bearer {token}")]).as_deref(), Ok("alice"));
    for at in 0..token.len() {
        let mut other = token.clone().into_bytes();
        // Not the last letter's lowest bits, which base64 does not use.
        other[at] = if other[at].is_ascii_lowercase() { b'Q' } else { b'q' };
        let other = String::from_utf8(other).expect("ASCII");
        assert!(verify_with(&verifier, &[&format!("Bearer {other}")]).is_err(), "byte {at}");
    }
    let cut = &token[..token.len() - 1];
    assert!(verify_with(&verifier, &[&format!("Bearer {cut}")]).is_err());
}

#[test]
fn a_claim_that_is_there_twice_is_no_claim() {
    let now = clock::now() / 1_000_000_000;
    let twice = format!(
        r#"{{"sub":"alice","sub":"bob","iss":"https://auth.myshop.com","aud":"api.myshop.com","exp":{}}}"#,
        now + 60
    );
    let token = ISSUER.signed_text(r#"{"alg":"ES256"}"#, &twice);
    let (_, detail) = verify(&[&format!("Bearer {token}")]).expect_err("whose?");
    assert!(detail.contains("twice"), "{detail}");
}

/// A part of a token.
fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[test]
fn without_a_token_the_scheme_is_told() {
    let (challenge, _) = verify(&[]).expect_err("no header");
    assert_eq!(challenge, "Bearer realm=\"api.myshop.com\"");
    let good = format!("Bearer {}", ISSUER.token(&claims()));
    for values in [&["Basic YTpi"][..], &["Bearer"], &["Bearer "], &["Bearer x.y.z"], &[&good, &good]] {
        let (challenge, _) = verify(values).expect_err("no token");
        assert!(challenge.contains("invalid_token"), "{values:?}: {challenge}");
    }
}

#[test]
fn a_wrong_key_is_refused_at_the_start() {
    assert!(Verifier::from_pem(b"", "", "").is_err());
    assert!(
        Verifier::from_pem(b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "", "").is_err()
    );
}

proptest! {
    #[test]
    fn no_header_is_too_strange(value: Vec<u8>, parts in "[A-Za-z0-9_.=-]{0,80}") {
        let verifier = ISSUER.verifier();
        for bytes in [value.as_slice(), format!("Bearer {parts}").as_bytes()] {
            if let Ok(value) = HeaderValue::from_bytes(bytes) {
                let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
                prop_assert!(verifier.subject(&headers).is_err());
            }
        }
    }
}
