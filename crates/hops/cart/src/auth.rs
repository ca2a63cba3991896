//! Whose cart is it? The bearer token says, and its signature proves it.

use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hop::http::{Exchange, Fault, Problem};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use journey::semconv::attribute;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Who must have issued the token (claim `iss`).
pub const ISSUER: &str = "https://auth.myshop.com";
/// For whom it must be meant (claim `aud`).
pub const AUDIENCE: &str = "api.myshop.com";

/// The owner of a cart: the token's `sub`, 1 to 64 letters, digits, `-` or `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer(String);

impl Customer {
    /// Checks the form: it becomes part of a Redis key and of answers.
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        ((1..=64).contains(&text.len()) && text.bytes().all(legal)).then(|| Customer(text.to_owned()))
    }

    /// As the token says it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one cart of this customer, as clients see it.
    pub fn cart_id(&self) -> String {
        format!("CART-{}", self.0)
    }
}

/// What a token says of itself before it is verified (RFC 7515 §4). Only what decides whether it is.
#[derive(Deserialize)]
struct JoseHeader {
    #[serde(default)]
    alg: Value,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// The claims that are used (RFC 7519 §4.1), each with its type: the library passes over an `nbf` that is no number,
/// and takes a list that holds the issuer for the issuer. One that is missing is the library's to find.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    #[serde(rename = "iss")]
    _iss: Option<String>,
    #[serde(rename = "exp")]
    _exp: Option<f64>,
    #[serde(rename = "nbf")]
    _nbf: Option<f64>,
}

/// Verifies tokens: signature, expiry, issuer and audience (RFC 7519 §4.1).
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
}

impl Verifier {
    /// Reads the public key.
    ///
    /// # Errors
    /// The file cannot be read, or holds no elliptic-curve public key.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let pem = std::fs::read(path).with_context(|| format!("read JWT_PUBLIC_KEY {}", path.display()))?;
        Self::from_pem(&pem).with_context(|| {
            format!("understand JWT_PUBLIC_KEY {}: expected a PEM public key on curve P-256", path.display())
        })
    }

    /// Takes the public key.
    ///
    /// # Errors
    /// It is not PEM, or not on an elliptic curve.
    pub fn from_pem(pem: &[u8]) -> anyhow::Result<Self> {
        // The algorithm is the operator's choice, never the token's: a token that may choose chooses
        // "none" (RFC 8725 §3.1).
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        // Issuer and cart share one clock here, so an expired token gets no extra minute.
        validation.leeway = 0;
        Ok(Verifier { key: DecodingKey::from_ec_pem(pem)?, validation })
    }

    /// Whose request is it? Recorded as `auth`.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` (RFC 6750 §3): no token, or one that proves nothing.
    pub fn customer(&self, headers: &HeaderMap) -> Result<Customer, Problem> {
        let exchange = Exchange::current();
        let _verifying = exchange.internal("auth");
        let customer = self.verify(headers)?;
        exchange.attribute(attribute::ENDUSER_ID, customer.as_str().to_owned());
        Ok(customer)
    }

    fn verify(&self, headers: &HeaderMap) -> Result<Customer, Problem> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(first) = given.next() else {
            return Err(unauthorized("send the header Authorization: Bearer <token>", false));
        };
        if given.next().is_some() {
            return Err(unauthorized("there is more than one header Authorization", true));
        }
        let token = first.to_str().ok().and_then(|value| {
            // The scheme's case does not matter (RFC 9110 §11.1).
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(token) = token else {
            return Err(unauthorized("the header Authorization must be Bearer <token>", true));
        };
        check_header(token).map_err(|detail| unauthorized(detail, true))?;
        let claims = decode::<Claims>(token, &self.key, &self.validation)
            .map_err(|error| unauthorized(why(error.kind()), true))?
            .claims;
        Customer::parse(claims.sub.as_deref().unwrap_or_default())
            .ok_or_else(|| unauthorized("sub must be 1 to 64 letters, digits, - or _", true))
    }
}

/// May this token be verified at all? Says why not.
fn check_header(token: &str) -> Result<(), &'static str> {
    const NO_JWT: &str = "the token is not a JWT that this service understands";
    let encoded = token.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| NO_JWT)?;
    let header: JoseHeader = serde_json::from_slice(&bytes).map_err(|_| NO_JWT)?;
    match header.alg.as_str() {
        Some("ES256") => {}
        // RFC 7519 §6. Some libraries were told so by "nOnE", too.
        Some(none) if none.eq_ignore_ascii_case("none") => {
            return Err(
                "the token says alg none: it is not signed, so it proves nothing; sign it with ES256",
            );
        }
        _ => return Err("the token must be signed with ES256"),
    }
    // RFC 7515 §4.1.11: whoever does not understand all that is listed must refuse, and a list without a name is
    // none. This service understands no extension.
    if header.crit {
        return Err("the token's crit names extensions, and this service understands none: leave crit out");
    }
    Ok(())
}

/// Is the member there, with whatever value?
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// What the caller may know: enough to get a better token, nothing about keys.
fn why(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::ExpiredSignature => "the token has expired: get a new one",
        ErrorKind::ImmatureSignature => "the token is not valid yet (nbf)",
        ErrorKind::InvalidSignature => "the token's signature is not the issuer's",
        ErrorKind::InvalidIssuer => "the token's iss must be https://auth.myshop.com",
        ErrorKind::InvalidAudience => "the token's aud must be api.myshop.com",
        ErrorKind::MissingRequiredClaim(_) => "the token needs the claims exp, iss, aud and sub",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            "the token must be signed with ES256"
        }
        ErrorKind::Json(_) => {
            "the token's claims have wrong types, or one is there twice: iss and sub are texts, exp and nbf numbers"
        }
        _ => "the token is not a JWT that this service understands",
    }
}

fn unauthorized(detail: &str, token_was_given: bool) -> Problem {
    // A caller who sent nothing is told the scheme, not that a token is invalid (RFC 6750 §3.1).
    let error = if token_was_given {
        format!(", error=\"invalid_token\", error_description=\"{detail}\"")
    } else {
        String::new()
    };
    let challenge = HeaderValue::from_str(&format!("Bearer realm=\"{AUDIENCE}\"{error}"));
    let kind = if token_was_given { "invalid-token" } else { "no-token" };
    Problem::new(StatusCode::UNAUTHORIZED, Fault::Client, kind, detail)
        .field("Authorization")
        .header(header::WWW_AUTHENTICATE, challenge.unwrap_or(HeaderValue::from_static("Bearer")))
}

#[cfg(test)]
mod tests;
