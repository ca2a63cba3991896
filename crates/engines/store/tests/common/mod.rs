//! What several suites need: servers to speak to, and a client that hides nothing.
#![allow(dead_code, reason = "every suite uses a part of it")]

pub(crate) mod servers;
pub(crate) mod wire;
