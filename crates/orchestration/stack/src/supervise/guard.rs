//! The last resort: when the lab is killed, nothing that it started, at any remove, outlives it.
//!
//! The parent-death signal reaches the programs that the lab started, on Linux. It does not reach what
//! *they* started, such as a proxy's workers. So a small shell waits at the end of a pipe that only
//! this process holds open: when the kernel closes it, however this process ended, the shell kills
//! every process group that was still entered.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use parking_lot::Mutex;

/// Reads `add GROUP` and `del GROUP`; at the end of its input it kills every group that is left.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=" "
while read -r verb group; do
    case $verb$groups in
        add*) groups="$groups$group " ;;
        del*" $group "*) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
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

    fn write(&self, verb: &str, group: u32) {
        let _ = self.0.lock().write_all(format!("{verb} {group}\n").as_bytes());
    }
}

/// This process's guard, started with the first program.
pub(super) fn guard() -> Option<&'static Guard> {
    static GUARD: OnceLock<Option<Guard>> = OnceLock::new();
    GUARD.get_or_init(Guard::start).as_ref()
}
