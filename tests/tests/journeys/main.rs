//! Is a journey measured as it really was? Every test starts a lab of its own and speaks to it over
//! the wire; `check` holds the checkers, and `check/broken.rs` feeds each of them what it must catch.

mod after;
mod budget;
mod check;
mod conventions;
mod counts;
mod delay;
mod diff;
mod exports;
mod folders;
mod form;
mod measuring;
mod names;
mod outside;
mod parts;
mod proxies;
mod rate;
mod recorders;
mod relations;
mod shape;
mod slots;
mod slow;
mod spread;
mod swap;
mod tap;
mod waits;
mod wire;
