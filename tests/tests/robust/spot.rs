//! A place where the `lab` program can run: ports and a folder of its own.

use std::path::{Path, PathBuf};

use lab::plan::Plan;
use lab::state::{self, Run};
use tests::fixture::TestSlot;

/// A [`TestSlot`] for the program instead of the library.
pub(crate) struct Spot {
    slot: TestSlot,
    name: &'static str,
    folder: PathBuf,
}

impl Spot {
    /// Waits for a turn.
    pub(crate) async fn take(name: &'static str) -> Self {
        // Building takes no seat.
        tests::program::path().await.expect("build the lab");
        let slot = TestSlot::take(name).await.expect("a slot for a lab");
        let folder = slot.path("");
        Spot { slot, name, folder }
    }

    /// `lab`'s arguments: these, after the options that make it run here.
    pub(crate) fn arguments<A: Into<String>>(&self, more: impl IntoIterator<Item = A>) -> Vec<String> {
        let sets = self.slot.options().sets.into_iter().flat_map(|set| ["--set".to_owned(), set]);
        sets.chain(["--no-build".to_owned()]).chain(more.into_iter().map(Into::into)).collect()
    }

    /// What it runs here.
    pub(crate) fn plan(&self) -> Plan {
        self.slot.options().plan().expect("the default plan is right")
    }

    /// Everything of this spot.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The lab's own folder, with `logs/` and `data/`.
    pub(crate) fn run_folder(&self) -> PathBuf {
        state::folder(&self.folder, self.name)
    }

    /// The lab that runs here, if one does.
    pub(crate) fn running(&self) -> Option<Run> {
        state::running(&self.folder, self.name)
    }

    /// The test has succeeded: nothing of it is kept.
    pub(crate) fn leave(self) {
        self.slot.release();
    }
}

/// A command for `--swap`: what the shell does with `text`, which must not contain single quotes.
pub(crate) fn shell(text: &str) -> String {
    assert!(!text.contains('\''), "{text}");
    format!("sh -c '{text}'")
}
