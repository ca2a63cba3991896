//! The last resort: when the lab is killed, nothing that it started, at any remove, outlives it.
//!
//! The parent-death signal reaches the programs that the lab started, on Linux. It does not reach what
//! *they* started, such as a proxy's workers. So a small shell waits at the end of a pipe that only
//! this process holds open: when the kernel closes it, however this process ended, the shell kills
//! every process group that was still entered, and all that has left its group and still has the
//! lab's `INVOCATION_ID`.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use parking_lot::Mutex;

/// Reads `add GROUP`, `del GROUP` and `run ID`; at the end of its input it kills every group that is left, and
/// whoever has the id of a run in its environment, wherever it has gone: twice, for who was just being born.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=" " runs=
while read -r verb what; do
    case $verb$groups in
        add*) groups="$groups$what " ;;
        del*" $what "*) groups="${groups%% $what *} ${groups#* $what }" ;;
        run*) runs="$runs -e INVOCATION_ID=$what" ;;
    esac
done
exec 2>/dev/null
for group in $groups; do kill -s KILL -- "-$group"; done
[ "$runs" ] || exit 0
for again in 1 2; do
    for file in $(grep -lF $runs /proc/[0-9]*/environ); do
        file=${file#/proc/}
        kill -s KILL "${file%/environ}"
    done
done
"#;

/// A shell that outlives this process for a moment.
pub(super) struct Guard(Mutex<ChildStdin>);

impl Guard {
    /// Starts it; `None` where there is no shell, and then nothing but this guard is missing.
    pub(super) fn start() -> Option<Self> {
        let mut command = Command::new("/bin/sh");
        // A group of its own, or Ctrl-C would end it before the others.
        command.args(["-c", SCRIPT]).process_group(0).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().ok()?.stdin.map(|pipe| Guard(Mutex::new(pipe)))
    }

    /// From now on this group dies with this process.
    pub(super) fn watch(&self, group: u32) {
        self.write("add", group);
    }

    /// The group is gone: its number may soon be somebody else's.
    pub(super) fn forget(&self, group: u32) {
        self.write("del", group);
    }

    /// Whoever has this `INVOCATION_ID` dies with this process.
    pub(super) fn watch_run(&self, id: &str) {
        self.write("run", id);
    }

    fn write(&self, verb: &str, what: impl std::fmt::Display) {
        let _ = self.0.lock().write_all(format!("{verb} {what}\n").as_bytes());
    }
}

/// This process's guard, started with the first program.
pub(super) fn guard() -> Option<&'static Guard> {
    static GUARD: OnceLock<Option<Guard>> = OnceLock::new();
    GUARD.get_or_init(Guard::start).as_ref()
}
