//! What other services are told: one record in Kafka for each change of a cart.

use std::borrow::Cow;

use hop::clock;
use serde::{Deserialize, Serialize};

use crate::auth::Customer;
use crate::item::ProductId;

/// A change of a cart, as the JSON that consumers read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// `item-added` or `item-removed`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// Different for each change: a consumer that sees it twice acts once.
    pub event_id: String,
    /// Also the record's key, so that all changes of one cart are in one partition, in order.
    pub cart_id: String,
    /// The cart's line.
    pub item_id: String,
    pub product_id: String,
    /// How many were added or removed; not how many there are now.
    pub quantity: i64,
    /// When: milliseconds since the Unix epoch.
    pub at: u64,
}

impl Event {
    /// A change that happens now.
    pub fn now(kind: &'static str, customer: &Customer, product: &ProductId, quantity: i64) -> Self {
        Event {
            kind: Cow::Borrowed(kind),
            event_id: format!("{:032x}", rand::random::<u128>()),
            cart_id: customer.cart_id(),
            item_id: product.item_id(),
            product_id: product.as_str().to_owned(),
            quantity,
            at: clock::now() / 1_000_000,
        }
    }
}

impl reliability::Event for Event {
    fn key_of(owner: &str) -> String {
        format!("CART-{owner}")
    }

    fn key(&self) -> &str {
        &self.cart_id
    }

    fn kind(&self) -> &str {
        &self.kind
    }

    fn time(&self) -> u64 {
        self.at
    }
}

#[cfg(test)]
mod tests;
