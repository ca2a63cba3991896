//! Is a journey measured as it really was? Every test starts a lab of its own and speaks to it over
//! the wire; `check` holds the checkers, and `check/broken.rs` feeds each of them what it must catch.

mod ask;
mod check;
mod counts;
mod delay;
mod exports;
mod form;
mod names;
mod outside;
mod relations;
mod shape;
mod spread;
mod swap;
