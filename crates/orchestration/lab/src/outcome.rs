//! How a command ends: well, with a check that failed, or because what was typed cannot be meant.

/// How a command ended, when nothing went wrong with running it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Good,
    /// What was checked does not hold.
    CheckFailed,
    /// Interrupted by a signal.
    Interrupted,
}

/// The command cannot mean what it says.
#[derive(Debug)]
pub(crate) struct Misuse(pub(crate) String);

impl std::fmt::Display for Misuse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}
