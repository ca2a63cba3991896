//! A measurement: what ran, and what came of it.

use journey::Journey;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::overhead::Overhead;
use crate::packets::Tap;
use crate::series::Series;
use crate::target::TargetHop;

/// The form in which measurements are written, with its version.
pub const SCHEMA: &str = "journey/1";

/// A measurement, in the form of `journey/1`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Measured {
    /// `journey/1`.
    pub schema: String,
    /// `debug` or `release`: the lab's own build, and the hops' when the lab built them.
    pub build: String,
    /// `loopback`.
    pub network: String,
    /// Where the requests went, such as `https://api.myshop.com:8443`.
    #[serde(default)]
    pub origin: String,
    /// What ran.
    pub hops: Vec<TargetHop>,
    /// Resident memory of all programs together before anything was measured, in bytes, pages that
    /// they share counted for each; 0 where the system does not say.
    pub memory_bytes: u64,
    /// What the machine did meanwhile.
    pub machine: Machine,
    /// What measuring costs, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overhead: Option<Overhead>,
    /// Cold journeys, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold: Option<Series>,
    /// Warm journeys, if wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm: Option<Series>,
    /// What the packets say, if that was wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tap: Option<Tap>,
}

impl Measured {
    /// All journeys, cold ones first.
    pub fn journeys(&self) -> impl Iterator<Item = &Journey> {
        self.cold.iter().chain(&self.warm).flat_map(|series| &series.journeys)
    }
}
