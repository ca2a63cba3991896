//! A place where the `lab` program can run: ports and a folder of its own.

use std::path::{Path, PathBuf};

use lab::plan::Plan;
use lab::state::{self, Run};
use tests::fixture::Room;

/// A [`Room`] for the program instead of the library.
pub(crate) struct Spot {
    room: Room,
    name: &'static str,
    folder: PathBuf,
}

impl Spot {
    /// Waits for a turn.
    pub(crate) async fn take(name: &'static str) -> Self {
        // Building takes no seat.
        tests::program::path().await.expect("build the lab");
        let room = Room::take(name).await.expect("a room for a lab");
        let folder = room.path("");
        Spot { room, name, folder }
    }

    /// `lab`'s arguments: these, after the options that make it run here.
    pub(crate) fn arguments<A: Into<String>>(&self, more: impl IntoIterator<Item = A>) -> Vec<String> {
        let sets = self.room.options().sets.into_iter().flat_map(|set| ["--set".to_owned(), set]);
        sets.chain(["--no-build".to_owned()]).chain(more.into_iter().map(Into::into)).collect()
    }

    /// What it runs here.
    pub(crate) fn plan(&self) -> Plan {
        self.room.options().plan().expect("the default plan is right")
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
        self.room.leave();
    }
}

/// A command for `--swap`: what the shell does with `text`, which must not contain single quotes.
pub(crate) fn shell(text: &str) -> String {
    assert!(!text.contains('\''), "{text}");
    format!("sh -c '{text}'")
}
