//! A running lab as its control server sees it.

use measure::{Collector, Target};
use stack::View;

use crate::measurable;

/// Reads what runs, and measures it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Viewer {
    pub(crate) stack: View,
    pub(crate) collector: Collector,
}

impl Viewer {
    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        measurable::target(&self.stack)
    }
}
