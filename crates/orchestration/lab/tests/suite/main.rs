//! Tests of a lab as its users write them.

mod example;
mod whole;
