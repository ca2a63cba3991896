//! What was measured, in forms that other programs open: pure functions of [`Measured`](measure::Measured).
//!
//! | module | the form | opened by |
//! |---|---|---|
//! | [`har`] | HTTP Archive 1.2 | the network panel of a browser's developer tools |
//! | [`perfetto`] | trace events | ui.perfetto.dev, `chrome://tracing` |
//! | [`html`] | one page, no network needed | any browser |

pub mod har;
pub mod html;
pub mod perfetto;
mod selection;
