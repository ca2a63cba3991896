//! Which requests make sense, and what is said about the others.

use std::fmt;

use hop::http::{Fault, Problem};
use hyper::StatusCode;
use serde_json::Value;

/// The most of a product that one request may add.
pub const MAX_QUANTITY: u64 = 99;

/// `PROD-` and 1 to 32 letters or digits: nothing that would need escaping in a path, a key or a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductId(String);

impl ProductId {
    /// Checks the form; whether such a product exists, only the inventory knows.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_suffix(text.strip_prefix("PROD-")?)
    }

    /// The product of a cart's line: `ITEM-123` is the line of `PROD-123`.
    pub fn of_item(item_id: &str) -> Option<Self> {
        Self::from_suffix(item_id.strip_prefix("ITEM-")?)
    }

    fn from_suffix(suffix: &str) -> Option<Self> {
        let legal = (1..=32).contains(&suffix.len()) && suffix.bytes().all(|c| c.is_ascii_alphanumeric());
        legal.then(|| ProductId(format!("PROD-{suffix}")))
    }

    /// `PROD-123`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The line of this product in any cart. A cart has one line for each product, so adding the same
    /// product again names the same item.
    pub fn item_id(&self) -> String {
        format!("ITEM-{}", &self.0["PROD-".len()..])
    }
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The body of `POST /cart/items`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddItem {
    pub product: ProductId,
    /// How many more: 1 to [`MAX_QUANTITY`].
    pub quantity: u64,
}

/// Reads the body of `POST /cart/items`. Members it does not know are ignored, so that clients may be
/// newer than this program.
///
/// # Errors
/// 400 when it is not JSON (with line and column), 422 when it is but makes no sense (RFC 9110 §15.5.21).
pub fn parse(body: &[u8]) -> Result<AddItem, Problem> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        let detail = format!("the body is not JSON: {error}");
        Problem::new(StatusCode::BAD_REQUEST, Fault::Client, "malformed-json", detail)
    })?;
    let Value::Object(members) = body else {
        let detail = "the body must be a JSON object such as {\"productId\":\"PROD-123\",\"quantity\":1}";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Fault::Client, "invalid-body", detail));
    };
    let product = match members.get("productId") {
        None => return Err(invalid("productId", "is missing: a text such as \"PROD-123\"")),
        Some(given) => given
            .as_str()
            .and_then(ProductId::parse)
            .ok_or_else(|| invalid("productId", "must be PROD- followed by 1 to 32 letters or digits"))?,
    };
    let quantity = match members.get("quantity") {
        None => return Err(invalid("quantity", "is missing: a whole number from 1 to 99")),
        Some(given) => given
            .as_u64()
            .filter(|quantity| (1..=MAX_QUANTITY).contains(quantity))
            .ok_or_else(|| invalid("quantity", "must be a whole number from 1 to 99"))?,
    };
    Ok(AddItem { product, quantity })
}

fn invalid(field: &str, rule: &str) -> Problem {
    let detail = format!("{field} {rule}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, Fault::Client, "invalid-member", detail).field(field)
}

#[cfg(test)]
mod tests;
