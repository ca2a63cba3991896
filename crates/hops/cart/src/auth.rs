//! Whose cart is it? The bearer token says, and its signature proves it (see the crate `bearer`).

use std::path::Path;

use anyhow::Context as _;
use hop::http::{Exchange, Problem};
use hyper::header::HeaderMap;
use journey::semconv::attribute;

/// Who must have issued the token (claim `iss`).
pub const ISSUER: &str = "https://auth.myshop.com";
/// For whom it must be meant (claim `aud`).
pub const AUDIENCE: &str = "api.myshop.com";

/// The owner of a cart: the token's `sub`, 1 to 64 letters, digits, `-` or `_`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer(String);

impl Customer {
    /// Checks the form: it becomes part of a Redis key and of responses.
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

/// Proves whose request it is.
pub struct Verifier(bearer::Verifier);

impl Verifier {
    /// Reads the public key.
    ///
    /// # Errors
    /// The file cannot be read, or holds no elliptic-curve public key.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let pem = std::fs::read(path).with_context(|| format!("read JWT_PUBLIC_KEY {}", path.display()))?;
        let verifier = bearer::Verifier::from_pem(&pem, ISSUER, AUDIENCE).with_context(|| {
            format!("understand JWT_PUBLIC_KEY {}: expected a PEM public key on curve P-256", path.display())
        })?;
        Ok(Verifier(verifier))
    }

    /// Whose request is it? Recorded as `auth`.
    ///
    /// # Errors
    /// 401 with `WWW-Authenticate` (RFC 6750 §3): no token, or one that proves nothing.
    pub fn customer(&self, headers: &HeaderMap) -> Result<Customer, Problem> {
        let exchange = Exchange::current();
        let _verifying = exchange.internal("auth");
        let subject = self.0.subject(headers)?;
        let customer = Customer::parse(&subject)
            .ok_or_else(|| self.0.invalid("sub must be 1 to 64 letters, digits, - or _"))?;
        exchange.attribute(attribute::ENDUSER_ID, customer.as_str().to_owned());
        Ok(customer)
    }
}

#[cfg(test)]
mod tests;
