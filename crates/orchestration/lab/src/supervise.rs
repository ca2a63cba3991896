//! Who runs, who died, who is started again? See the crate [`stack`].

pub use stack::{Death, Event, State, Status};
