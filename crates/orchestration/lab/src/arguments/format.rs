//! The forms of a measurement.

use clap::ValueEnum;

/// How a measurement is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The schema journey/1, described in docs/measuring.md
    Json,
    /// One page for a browser, which needs no network
    Html,
    /// HTTP Archive 1.2, for the network panel of a browser's developer tools
    Har,
    /// Trace events, for ui.perfetto.dev and chrome://tracing
    Perfetto,
}
