//! Semantic conventions: the names that programs write and that this crate reads, in one place.
//!
//! * [`attribute`]: keys of span attributes. OpenTelemetry's semantic conventions where one exists
//!   (version 1.30 and later, <https://opentelemetry.io/docs/specs/semconv/>); ours begin with `journey.`.
//! * [`name`]: names of spans and of parts that mean something to a reader. All others (`validate`,
//!   `execute`) are labels: whoever writes them may choose any.
//! * [`convention`]: which attributes a span must carry, by what it is about.
//! * [`stamp`]: the span events that carry stamps, and their version.
//!
//! What kind of time a span stands for is said by its attribute [`attribute::PART`]
//! ([`Span::part`](crate::Span::part)), which line of a time budget by [`attribute::STAGE`]
//! ([`Span::stage`](crate::Span::stage)); never by its name.

/// Constants, and the list of all of them.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// Every name of this module.
        pub const ALL: &[&str] = &[$($name),*];
    };
}

pub mod attribute;
pub mod convention;
pub mod name;
pub mod stamp;

#[cfg(test)]
mod tests;
