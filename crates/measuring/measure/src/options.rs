//! What to measure.

use serde::{Deserialize, Serialize};

use crate::packets;

/// So many journeys of each kind `lab measure` keeps in full, unless told otherwise: 25 MB in a file.
pub const KEEP: usize = 1000;

/// What to measure.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How many journeys of each kind.
    pub count: usize,
    /// With empty caches and new connections.
    pub cold: bool,
    /// With everything warm.
    pub warm: bool,
    /// Which product is put into the cart.
    pub product: String,
    /// How many pieces of the product.
    pub quantity: u32,
    /// How many journeys of each kind are kept in full; the figures are those of all.
    pub keep: usize,
    /// Requests per second, sent at their times whatever the responses do. Without it each journey begins
    /// when the one before has ended.
    pub rate: Option<f64>,
    /// When all are answered, wait until what they left to be done is done, too, two seconds at most
    /// ([`Journey::after`](journey::Journey::after)).
    pub settle: bool,
    /// With a rate: over how many connections at most.
    pub connections: usize,
    /// Measure what measuring costs, too.
    pub overhead: bool,
    /// Capture the packets meanwhile, and compare them with what the programs say.
    pub tap: Option<packets::Options>,
}

impl Options {
    /// How many journeys of each kind are kept. What packets say can only be held against journeys that are
    /// still there: with the tap, all.
    pub(crate) fn kept(&self) -> usize {
        if self.tap.is_some() { self.count } else { self.keep }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            count: 1,
            cold: true,
            warm: true,
            product: "PROD-123".to_owned(),
            quantity: 1,
            keep: usize::MAX,
            rate: None,
            settle: false,
            connections: 16,
            overhead: false,
            tap: None,
        }
    }
}
