//! A slot for a lab of a test: free ports, an empty folder, and a turn on a machine with few cores.
//!
//! Tests run side by side, in one process or in many. A slot is a lock on a range of ports, a folder, and
//! one of a few turns. A lab that is [stopped](crate::Lab::stop) leaves nothing behind; one whose test
//! fails leaves its folder, with every program's log, and says where it is.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use plan::workspace;
use stack::ports;

use crate::options::Options;
use crate::print;

/// So many labs run at once, over all tests of this workspace: fifteen programs each.
const AT_ONCE: u16 = 2;
/// The first slot's port offset: far enough from 0, where a user's own lab is.
const FIRST_OFFSET: u16 = 2_000;
/// Between two slots. No two ports that share an address (5300, 5443, 8080, 8443, 9092, 9100 …) lie a
/// multiple of 20 below 1000 apart, so slots cannot collide among each other.
const STEP: u16 = 20;
/// 9100 + 2000 + 50 × 20 stays well below 32768, where the kernel's own choice of ports begins.
const SLOTS: u16 = 50;
/// How long a test may wait for its turn.
const TURN: Duration = Duration::from_secs(900);

/// Free ports and an empty folder, before a lab starts there.
///
/// [`Options::for_test`] is enough for most tests; take a slot where the ports must be known before the
/// lab runs.
#[derive(Debug)]
pub struct TestSlot {
    name: String,
    offset: u16,
    folder: PathBuf,
    /// The test has succeeded: the folder goes.
    released: bool,
    /// Locks: closing them gives turn and ports back, also when the process is killed.
    _turn: File,
    _ports: File,
}

impl TestSlot {
    /// Waits for a turn and for free ports. `name` is the lab's: letters, digits and `-`.
    ///
    /// A test that needs two labs at once must take no second slot while another test may do the same:
    /// there are only two turns.
    ///
    /// # Errors
    /// The folder cannot be written, or fifty slots are all taken.
    pub async fn take(name: &str) -> anyhow::Result<TestSlot> {
        let all = workspace::states().join("tests");
        let (locks, offsets) = (all.join("locks"), workspace::ports());
        for folder in [&locks, &offsets] {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let turn = hop::wait::until(format!("{name}'s turn: {AT_ONCE} labs run at once"), TURN, async || {
            (0..AT_ONCE).find_map(|turn| lock(&locks.join(format!("turn-{turn}"))))
        })
        .await?;
        let (offset, ports) = (0..SLOTS)
            .map(|slot| FIRST_OFFSET + slot * STEP)
            .find_map(|offset| {
                let lock = lock(&offsets.join(offset.to_string()))?;
                free(offset).then_some((offset, lock))
            })
            .context("no slot is free: other programs hold ports of all of them")?;
        // Nobody else has this offset now, and whoever had it before took it at another time.
        let folder = all.join(format!("{name}-{offset}-{:x}", hop::clock::now()));
        std::fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
        Ok(TestSlot { name: name.to_owned(), offset, folder, released: false, _turn: turn, _ports: ports })
    }

    /// The name of the lab that runs in it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The default stack in this slot.
    pub fn options(&self) -> Options {
        let certs = serde_json::Value::from(self.path("certs").to_string_lossy());
        Options::new()
            .name(&self.name)
            .port_offset(self.offset)
            .state(&self.folder)
            .set("lab.certs", certs)
            .set("telemetry.delay_ms", 20)
    }

    /// A port of lab.toml as it is in this slot.
    pub fn port(&self, written: u16) -> u16 {
        written + self.offset
    }

    /// A file in this slot's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Gives the slot back and removes its folder: the test has succeeded.
    pub fn release(mut self) {
        self.released = true;
    }
}

impl Drop for TestSlot {
    fn drop(&mut self) {
        if self.released {
            let _ = std::fs::remove_dir_all(&self.folder);
        } else {
            let folder = self.folder.display();
            print::note(format_args!("the test {} failed; logs and data: {folder}", self.name));
        }
    }
}

/// The lock, if nobody has it.
fn lock(path: &Path) -> Option<File> {
    let file = File::create(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// Can every address of the default plan be bound with this offset? Programs that are no lab's know nothing
/// of our locks.
fn free(offset: u16) -> bool {
    Options::new().port_offset(offset).plan().is_ok_and(|plan| ports::are_free(&plan))
}
