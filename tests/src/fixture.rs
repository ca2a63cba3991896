//! A lab of one's own: its own ports, its own folder, and a turn on a machine with few cores.
//!
//! A test [takes a room](Room::take), which fixes the ports, then moves in with a plan. A lab that is
//! [finished](Fixture::finish) leaves nothing behind; one whose test fails leaves its folder, with every
//! program's log, and says where it is.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lab::{Lab, Options};
use tempfile::TempDir;

/// So many labs run at once, over all test programs of this workspace: fifteen programs each.
const SEATS: u16 = 2;
/// The first room's port offset: far enough from 0, where a user's own lab is.
const FIRST_OFFSET: u16 = 2_000;
/// Between two rooms. No two ports that share an address (5300, 5443, 8080, 8443, 9092, 9100 …) lie a
/// multiple of 20 below 1000 apart, so rooms cannot collide among each other.
const STEP: u16 = 20;
/// 9100 + 2000 + 50 × 20 stays well below 32768, where the kernel's own choice of ports begins.
const ROOMS: u16 = 50;
/// How long a test may wait for its turn.
const TURN: Duration = Duration::from_secs(900);

/// Free ports and an empty folder, before a lab moves in.
#[derive(Debug)]
pub struct Room {
    name: String,
    offset: u16,
    /// Taken out when the test has succeeded or when it shall be kept.
    folder: Option<TempDir>,
    /// Locks: closing them gives seat and ports back, also when the process is killed.
    _seat: File,
    _ports: File,
}

impl Room {
    /// Waits for a turn and for free ports. `name` is the lab's: letters, digits and `-`.
    ///
    /// A test that needs two labs at once must take no second room while another test may do the same:
    /// there are only two seats.
    ///
    /// # Errors
    /// The folder cannot be written, or fifty rooms are all taken.
    pub async fn take(name: &str) -> anyhow::Result<Room> {
        let all = lab::workspace::states().join("tests");
        let locks = all.join("locks");
        std::fs::create_dir_all(&locks).with_context(|| format!("create {}", locks.display()))?;
        let seat = hop::wait::until(format!("{name}'s turn: {SEATS} labs run at once"), TURN, async || {
            (0..SEATS).find_map(|seat| lock(&locks.join(format!("seat-{seat}"))))
        })
        .await?;
        let (offset, ports) = (0..ROOMS)
            .map(|room| FIRST_OFFSET + room * STEP)
            .find_map(|offset| {
                let lock = lock(&locks.join(format!("ports-{offset}")))?;
                free(offset).then_some((offset, lock))
            })
            .context("no room is free: other programs hold ports of all of them")?;
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&all)?;
        Ok(Room { name: name.to_owned(), offset, folder: Some(folder), _seat: seat, _ports: ports })
    }

    /// The default stack in this room.
    pub fn options(&self) -> Options {
        let certs = serde_json::Value::from(self.path("certs").to_string_lossy());
        Options::new()
            .name(&self.name)
            .port_offset(self.offset)
            .state(self.folder())
            .set("lab.certs", certs)
            .set("telemetry.delay_ms", 20)
    }

    /// A port of lab.toml as it is in this room.
    pub fn port(&self, written: u16) -> u16 {
        written + self.offset
    }

    /// A file in this room's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Starts a lab here.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start(self, options: Options) -> anyhow::Result<Fixture> {
        let lab = Lab::start(options).await.with_context(|| format!("start the lab {}", self.name))?;
        Ok(Fixture { lab, room: self })
    }

    /// Gives the room back and removes its folder: the test has succeeded without a [`Fixture`].
    pub fn leave(mut self) {
        drop(self.folder.take());
    }

    fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("/nowhere"), TempDir::path)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // Whoever succeeded has taken the folder out before.
        if let Some(folder) = self.folder.take() {
            eprintln!("the test {} failed; logs and data: {}", self.name, folder.keep().display());
        }
    }
}

/// A running lab in its room. It is a [`Lab`] for everything but its end.
pub struct Fixture {
    lab: Lab,
    room: Room,
}

impl Fixture {
    /// The default stack.
    ///
    /// # Errors
    /// As [`Room::take`] and [`Lab::start`].
    pub async fn start(name: &str) -> anyhow::Result<Fixture> {
        let room = Room::take(name).await?;
        let options = room.options();
        room.start(options).await
    }

    /// The room it is in.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Where a hop answers.
    ///
    /// # Panics
    /// The plan has no such hop.
    pub fn listen(&self, hop: &str) -> SocketAddr {
        self.hop(hop).listen
    }

    /// Where a hop's admin endpoint is.
    ///
    /// # Panics
    /// The plan has no such hop, or it is external.
    pub fn admin(&self, hop: &str) -> SocketAddr {
        self.hop(hop).admin.expect("only external hops have no admin address")
    }

    fn hop(&self, name: &str) -> &lab::plan::Hop {
        self.lab.plan().find(name).unwrap_or_else(|| panic!("the plan has no hop {name}"))
    }

    /// Stops the lab and removes its folder: the test has succeeded.
    pub async fn finish(mut self) {
        let folder = self.room.folder.take();
        self.lab.stop().await;
        drop(folder);
    }
}

impl Deref for Fixture {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl DerefMut for Fixture {
    fn deref_mut(&mut self) -> &mut Lab {
        &mut self.lab
    }
}

/// The lock, if nobody has it.
fn lock(path: &Path) -> Option<File> {
    let file = File::create(path).ok()?;
    file.try_lock().ok().map(|()| file)
}

/// Can every address of the default plan be bound with this offset? Another checkout of the workspace
/// knows nothing of our locks.
fn free(offset: u16) -> bool {
    let Ok(plan) = Options::new().port_offset(offset).plan() else { return false };
    plan.hops().flat_map(|(_, hop)| hop.binds().into_iter().map(move |(_, address)| (hop, address))).all(
        |(hop, address)| {
            let udp = !hop.role().speaks_dns() || UdpSocket::bind(address).is_ok();
            udp && TcpListener::bind(address).is_ok()
        },
    )
}
