use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use super::*;

/// Set for the process that panics: with or without the hook.
const PANICS: &str = "PANICS_WITH_HOOK";

#[test]
fn a_panicking_task_ends_its_process() {
    if let Ok(hook) = std::env::var(PANICS) {
        if hook == "true" {
            abort_on_panic();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let task = runtime.block_on(async { tokio::spawn(async { panic!("as it should") }).await });
        assert!(task.is_err_and(|error| error.is_panic()), "only without the hook does one get here");
        return;
    }
    let ended_by = |hook: bool| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "start::tests::a_panicking_task_ends_its_process"]);
        child.env(PANICS, hook.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
        child.status().unwrap()
    };
    assert_eq!(ended_by(true).signal(), Some(libc::SIGABRT));
    assert!(ended_by(false).success(), "without the hook the process goes on as if nothing had happened");
}
