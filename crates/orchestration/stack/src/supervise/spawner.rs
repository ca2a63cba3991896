//! One thread that starts every child.
//!
//! A child that is to die with its parent dies when the *thread* that forked it ends. A test's
//! runtime threads come and go; this one stays until the process ends.

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use net::Namespace;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

struct Order {
    command: Command,
    /// Where it runs; `None`: in the lab's own network.
    host: Option<Namespace>,
    /// The runtime that waits for the child.
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts a command on the spawner's thread, in the network of a host; the caller's runtime waits for the child.
pub(crate) async fn spawn(mut command: Command, host: Option<Namespace>) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<Order>> = OnceLock::new();
    super::process::die_with_parent(&mut command);
    // Its own group: Ctrl-C in a terminal reaches the lab alone, which then stops children in order.
    command.process_group(0).kill_on_drop(true);
    let orders = SPAWNER.get_or_init(|| {
        let (orders, incoming) = channel::<Order>();
        let serve = move || {
            let mut home = None;
            for mut order in incoming {
                let _inside = order.runtime.enter();
                let there = at_home_or(order.host.as_ref(), &mut home);
                let _ = order.reply.send(there.and_then(|()| order.command.spawn()));
            }
        };
        // Without the thread the channel is closed, and every order fails with a clear error.
        let _ = std::thread::Builder::new().name("spawner".into()).spawn(serve);
        orders
    });
    let (reply, started) = oneshot::channel();
    let gone = || io::Error::other("the thread that starts programs could not be started");
    orders.send(Order { command, host, runtime: Handle::current(), reply }).map_err(|_| gone())?;
    started.await.map_err(|_| gone())?
}

/// Moves this thread to a host's network, or back to the lab's own: a child begins where the thread is that forks it.
/// `home` is where the thread was before it left for the first time.
fn at_home_or(host: Option<&Namespace>, home: &mut Option<Namespace>) -> io::Result<()> {
    match (host, home.as_ref()) {
        (None, None) => Ok(()),
        (None, Some(home)) => home.enter(),
        (Some(host), _) => {
            if home.is_none() {
                *home = Some(Namespace::current()?);
            }
            host.enter()
        }
    }
}
