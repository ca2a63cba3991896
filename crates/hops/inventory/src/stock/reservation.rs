//! What is kept, and what an operation on it came to.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// How long a finished reservation is remembered, in milliseconds: a week. An idempotency key lives a day.
pub const MEMORY: i64 = 7 * 24 * 60 * 60 * 1000;

/// A name that callers choose, of a product or of a reservation: 1 to 64 letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Name(pub(super) String);

/// The name of a product.
pub type ProductId = Name;

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if (1..=64).contains(&text.len()) && text.bytes().all(known) {
            Ok(Name(text.to_owned()))
        } else {
            Err("expected 1 to 64 letters, digits, '-', '_' or '.', such as PROD-123")
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line of the stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    pub product_id: ProductId,
    /// How many can be bought now.
    pub available: u32,
}

/// So many of a product, taken from the stock or given back to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    /// The caller's name for it; a second one of that name takes nothing.
    pub reservation_id: Name,
    pub product_id: ProductId,
    pub quantity: u32,
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The product was unknown before.
    Created,
    /// It had another number, or the same.
    Replaced,
}

/// What taking came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The stock is smaller by it.
    Now,
    /// It had been taken under this id before; nothing changed.
    Before,
    /// It was given back under this id: this id takes nothing any more.
    Ended,
    /// This id was used for something else.
    Other,
    /// There are fewer: so many.
    TooFew(u32),
    /// Nobody ever said how many of this product there are.
    Unknown,
}

/// What giving back a reservation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It is back, or was before, or can't be taken any more under this id.
    Done,
    /// It is confirmed: it is in a cart, and only a return brings it back.
    Confirmed,
}

#[cfg(test)]
mod tests;
