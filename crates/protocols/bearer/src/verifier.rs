//! Verifying tokens.

mod remembered;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hop::clock;
use hop::http::{Fault, Problem};
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use self::remembered::{Proven, Remembered};

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
    exp: Option<f64>,
    nbf: Option<f64>,
}

/// Verifies tokens: signature, expiry, issuer and audience (RFC 7519 §4.1).
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    issuer: &'static str,
    audience: &'static str,
    remembered: Remembered,
}

impl Verifier {
    /// Takes the public key (PEM, elliptic curve P-256), who must have issued a token (claim `iss`), and for whom it must
    /// be meant (claim `aud`).
    ///
    /// # Errors
    /// The key is not PEM, or not on an elliptic curve.
    pub fn from_pem(
        pem: &[u8],
        issuer: &'static str,
        audience: &'static str,
    ) -> Result<Self, jsonwebtoken::errors::Error> {
        // The algorithm is the operator's choice, never the token's: a token that may choose chooses
        // "none" (RFC 8725 §3.1).
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.validate_nbf = true;
        // Issuer and verifier share one clock here, so an expired token gets no extra minute.
        validation.leeway = 0;
        Ok(Verifier {
            key: DecodingKey::from_ec_pem(pem)?,
            validation,
            issuer,
            audience,
            remembered: Remembered::default(),
        })
    }

    /// The subject (claim `sub`) of a request's token; empty if the token has none.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` (RFC 6750 §3): no token, or one that proves nothing.
    pub fn subject(&self, headers: &HeaderMap) -> Result<String, Problem> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(first) = given.next() else {
            return Err(self.unauthorized("send the header Authorization: Bearer <token>", false));
        };
        if given.next().is_some() {
            return Err(self.invalid("there is more than one header Authorization"));
        }
        let token = first.to_str().ok().and_then(|value| {
            // The scheme's case does not matter (RFC 9110 §11.1).
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let Some(token) = token else {
            return Err(self.invalid("the header Authorization must be Bearer <token>"));
        };
        if let Some(subject) = self.remembered.subject(token, clock::now() / 1_000_000_000) {
            return Ok(subject);
        }
        check_header(token).map_err(|detail| self.invalid(detail))?;
        let Claims { sub, exp, nbf, .. } = decode(token, &self.key, &self.validation)
            .map_err(|error| self.invalid(&self.why(error.kind())))?
            .claims;
        let subject = sub.unwrap_or_default();
        let (not_before, expires) = (nbf.unwrap_or(f64::MIN), exp.unwrap_or(f64::MIN));
        self.remembered.add(token, Proven { subject: subject.clone(), not_before, expires });
        Ok(subject)
    }

    /// The problem of a token that proves nothing, for a caller who knows more of what makes one valid.
    pub fn invalid(&self, detail: &str) -> Problem {
        self.unauthorized(detail, true)
    }

    fn unauthorized(&self, detail: &str, token_was_given: bool) -> Problem {
        // A caller who sent nothing is told the scheme, not that a token is invalid (RFC 6750 §3.1).
        let error = if token_was_given {
            format!(", error=\"invalid_token\", error_description=\"{detail}\"")
        } else {
            String::new()
        };
        let challenge = HeaderValue::from_str(&format!("Bearer realm=\"{}\"{error}", self.audience));
        let kind = if token_was_given { "invalid-token" } else { "no-token" };
        Problem::new(StatusCode::UNAUTHORIZED, Fault::Client, kind, detail)
            .field("Authorization")
            .header(header::WWW_AUTHENTICATE, challenge.unwrap_or(HeaderValue::from_static("Bearer")))
    }

    /// What the caller may know: enough to get a better token, nothing about keys.
    fn why(&self, error: &ErrorKind) -> Cow<'static, str> {
        Cow::Borrowed(match error {
            ErrorKind::InvalidIssuer => return format!("the token's iss must be {}", self.issuer).into(),
            ErrorKind::InvalidAudience => return format!("the token's aud must be {}", self.audience).into(),
            ErrorKind::ExpiredSignature => "the token has expired: get a new one",
            ErrorKind::ImmatureSignature => "the token is not valid yet (nbf)",
            ErrorKind::InvalidSignature => "the token's signature is not the issuer's",
            ErrorKind::MissingRequiredClaim(_) => "the token needs the claims exp, iss, aud and sub",
            ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
                "the token must be signed with ES256"
            }
            ErrorKind::Json(_) => {
                "the token's claims have wrong types, or one is there twice: iss and sub are texts, exp and nbf numbers"
            }
            _ => "the token is not a JWT that this service understands",
        })
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

#[cfg(test)]
mod tests;
