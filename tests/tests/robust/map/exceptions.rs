//! Who may break a rule, and why. Nobody stays on this list without need: an exception that is not used fails the test.

/// The rule of an exception that exists for the twin of the check alone.
pub(super) const TWIN: &str = "twin";

/// (rule, crate or file, why)
pub(super) const EXCEPTIONS: &[(&str, &str, &str)] =
    &[(TWIN, "no such crate", "the check must tell that nobody needs this")];
