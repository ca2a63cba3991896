//! Before anything else: for a plan with a network of its own, this process gets one.
//!
//! A network namespace is entered by a process of one thread, hence before any runtime. What the host's network is needed
//! for comes first: the programs are built (cargo may have to fetch), and the control server's socket is opened on the
//! host's loopback, where other commands reach it.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::Context as _;
use parking_lot::Mutex;
use plan::{BROWSER_HOST, LAB_ADDRESS, NetworkMode, Plan};
use stack::binaries::Binaries;
use stack::state::Run;

use crate::arguments::{Cli, Command};
use crate::outcome::Misuse;

/// The command that only tries.
pub(crate) const TRY: &str = "try-network";

/// The control server's socket on the host's loopback, until the server takes it.
static CONTROL: Mutex<Option<TcpListener>> = Mutex::new(None);

/// Enters a network of this process's own, when the command starts programs that shall meet in one; that of a running
/// lab's host, when the command speaks to its programs.
///
/// # Errors
/// The machine forbids it ([`net::Refusal`]), the programs cannot be built, or the control server's port is taken.
pub(crate) fn enter(cli: &mut Cli) -> anyhow::Result<()> {
    if matches!(cli.command, Some(Command::TryNetwork { .. })) {
        net::private::enter()?;
        let hosts = [("one", [192, 0, 2, 2]), ("two", [192, 0, 2, 3])];
        let hosts = hosts.map(|(name, address)| (name.to_owned(), vec![Ipv4Addr::from(address)]));
        net::Network::build(LAB_ADDRESS, &hosts)?;
        return Ok(());
    }
    let starts = matches!(
        cli.command,
        None | Some(
            Command::Measure { .. }
                | Command::Check { .. }
                | Command::Compare { .. }
                | Command::Budget { .. }
        )
    );
    let speaks =
        matches!(cli.command, Some(Command::Shell { .. } | Command::Curl { .. } | Command::Events { .. }));
    if !starts && !speaks {
        return Ok(());
    }
    // A wrong plan is the command's to tell.
    let Ok(plan) = cli.global().options().plan() else { return Ok(()) };
    if let Some(run) = stack::state::running(&plan.states(), &plan.name) {
        return join(cli, &run);
    }
    if !starts || plan.mode == NetworkMode::Loopback {
        return Ok(());
    }
    *CONTROL.lock() = Some(prepare(&plan, !cli.global().no_build)?);
    cli.amend().no_build = true;
    net::private::enter().context("network.mode is \"real\", and this process gets no network of its own")
}

/// For a command that speaks to the programs of a running lab itself: goes to the host that it speaks from.
fn join(cli: &mut Cli, run: &Run) -> anyhow::Result<()> {
    if run.hosts.is_empty() {
        return Ok(());
    }
    // Whatever the plan says.
    cli.amend().net = Some("real".to_owned());
    let host = match &cli.command {
        Some(Command::Shell { shell, .. }) => shell.host.as_str(),
        Some(Command::Curl { .. } | Command::Events { .. }) => BROWSER_HOST,
        _ => return Ok(()),
    };
    let Some(found) = run.hosts.get(host) else {
        let known: Vec<&str> = run.hosts.keys().map(String::as_str).collect();
        return Err(Misuse(format!(
            "the running lab has no host \"{host}\"\n  what to do: name one of: {}",
            known.join(", ")
        ))
        .into());
    };
    net::private::join(run.pid, &found.namespace).with_context(|| {
        format!("enter the network of the host {host}, which the lab (pid {}) holds", run.pid)
    })
}

/// The control server's socket, if it was opened on the host.
pub(crate) fn take_control() -> Option<TcpListener> {
    CONTROL.lock().take()
}

/// What needs the host's network, on a runtime that is gone, with its threads, before that is left.
fn prepare(plan: &Plan, build: bool) -> anyhow::Result<TcpListener> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if build {
            Binaries::ensure(&plan.own_roles(), true).await?;
        }
        let control = hop::listen::bind(plan.control).context("open the control server")?;
        Ok(control.into_std()?)
    })
}
