//! What every check needs: the texts, for errors that name a line, and who else is in the plan.

use std::ops::Range;

use crate::checked::NetworkMode;
use crate::error::Sources;
use crate::raw::RawHop;
use crate::role::Role;

/// A hop as it was written: its name, its role, its settings, and where its name stands.
pub(super) type Written<'a> = (&'a str, Role, &'a RawHop, Range<usize>);

/// A plan that is being checked; each part of the check is a file of its own.
pub(super) struct Check<'a> {
    pub(super) sources: &'a Sources,
    pub(super) mode: NetworkMode,
    pub(super) offset: i64,
    pub(super) admin_port: i64,
    pub(super) hops: Vec<Written<'a>>,
}
