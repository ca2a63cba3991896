//! The plan: what runs, where, with which settings; read from lab.toml, checked, every reference resolved.
//!
//! Two stages. `raw` is exactly what is written. [`Plan`] is what it means: its types cannot be
//! wrong, and nothing behind this crate looks at text again. It knows no process.
//!
//! | module | answers |
//! |---|---|
//! | `load` | where is lab.toml, and what do `--set` (`overrides`) and `--swap` (`swaps`) change in it? |
//! | `raw`, `keys` | what can be written? |
//! | `check`, `waves` | does it make sense, and does all of it fit together? |
//! | `checked`, `hop`, `role` | what does it mean? |
//! | `environment`, `escape` | what is each program told, and how is it written into its files? |
//! | [`recipe`], [`programs`] | which real programs fit which slot, and are they installed? |
//! | [`workspace`] | where was this built, and where do labs keep their things? |
//! | `error`, `distance`, `words` | what is wrong and what was meant; a command line's words |

#![warn(missing_docs)]

mod check;
mod checked;
mod distance;
mod environment;
mod error;
mod escape;
mod hop;
mod keys;
mod load;
mod overrides;
pub mod programs;
mod raw;
pub mod recipe;
mod role;
mod swaps;
#[cfg(test)]
mod tests;
mod waves;
mod words;
pub mod workspace;

pub use checked::{
    BROWSER_ADDRESS, BROWSER_HOST, BUDGET_PHASES, LAB_ADDRESS, NetworkMode, Plan, Supervision, TelemetryPlan,
};
pub use environment::{RunContext, SECRET, fill, fill_file};
pub use error::PlanError;
pub use hop::{Hop, HopId, Rule, Runs, Settings};
pub use load::{Config, DEFAULT};
pub use recipe::Recipe;
pub use role::Role;
