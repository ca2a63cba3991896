//! A running stack: its programs, their states, and its end.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use hop::admin::Secret;
use net::{Host, Namespace, Network};
use plan::{BROWSER_HOST, Hop, Plan};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::binaries::PROFILE;
use crate::certs::Certs;
use crate::endpoints;
use crate::state::{self, Run, RunFolder, RunHop, RunHost};
use crate::supervise::{Event, Signal, State, Status, Supervisor, Watch, signal};

/// Every program runs and is ready. Dropping it kills every program.
pub struct Stack {
    supervisor: Supervisor,
    control_plane: JoinHandle<()>,
    view: View,
    /// Behind all that runs, so that the folder is given back when nobody writes there any more.
    folder: RunFolder,
}

/// A running stack as others see it, such as its control server. Cheap to clone.
#[derive(Clone)]
pub struct View {
    plan: Arc<Plan>,
    certs: Certs,
    watch: Watch,
    /// The command that empties a foreign resolver's cache.
    flush: Arc<[String]>,
    warnings: Arc<[String]>,
    folder: PathBuf,
    secret: Secret,
    network: Option<Arc<Network>>,
}

impl Stack {
    pub(crate) fn new(
        plan: Plan,
        certs: Certs,
        folder: RunFolder,
        flush: Vec<String>,
        warnings: Vec<String>,
        supervisor: Supervisor,
        network: Option<Network>,
    ) -> Stack {
        let view = View {
            plan: Arc::new(plan),
            certs,
            watch: supervisor.watch(),
            flush: flush.into(),
            warnings: warnings.into(),
            folder: folder.path().to_owned(),
            secret: folder.secret().clone(),
            network: network.map(Arc::new),
        };
        let (plan, watch, changed) = (Arc::clone(&view.plan), view.watch.clone(), supervisor.changed());
        let control_plane = tokio::spawn(endpoints::follow(plan, watch, changed, view.secret.clone()));
        Stack { supervisor, control_plane, view, folder }
    }

    /// The plan it runs after.
    pub fn plan(&self) -> &Plan {
        self.view.plan()
    }

    /// The lab's folder: `logs/`, `data/`, `zones/`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the user should know about the programs in the slots: each says who, what, and what to do.
    pub fn warnings(&self) -> &[String] {
        self.view.warnings()
    }

    /// The certificates and keys in use.
    pub fn certs(&self) -> &Certs {
        self.view.certs()
    }

    /// Every program, in the order of the plan.
    pub fn statuses(&self) -> Vec<Status> {
        self.view.statuses()
    }

    /// A program's process; `None` while it does not run.
    pub fn pid(&self, hop: &str) -> Option<u32> {
        self.status(hop)?.pid
    }

    /// What a program wrote so far.
    pub fn log(&self, hop: &str) -> String {
        let bytes = std::fs::read(self.folder.log(hop)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Kills a program at once, as `kill -9` does; it is started again.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&self, hop: &str) -> anyhow::Result<()> {
        let pid = self.pid(hop).with_context(|| format!("{hop} does not run"))?;
        signal(pid, Signal::KILL).with_context(|| format!("kill {hop}"))
    }

    /// Waits until a program is ready in a process other than `not`.
    ///
    /// # Errors
    /// It did not happen within the plan's limit; the error has the last lines of its log.
    pub async fn ready_again(&self, hop: &str, not: Option<u32>) -> anyhow::Result<()> {
        let plan = self.plan();
        let limit = plan.find(hop).map_or(plan.supervise.ready, |hop| plan.ready_limit(hop)) * 2;
        hop::wait::until(format!("{hop} to be ready again"), limit, async || {
            let status = self.status(hop)?;
            (status.state == State::Ready && status.pid != not).then_some(())
        })
        .await
        .with_context(|| self.log(hop))
    }

    /// Waits until something happens to a program.
    pub async fn event(&mut self) -> Event {
        self.supervisor.event().await
    }

    /// What happened and was not yet taken.
    pub fn try_event(&mut self) -> Option<Event> {
        self.supervisor.try_event()
    }

    /// Cancel it while [`Stack::stop`] runs, and programs are killed instead of drained.
    pub fn impatience(&self) -> CancellationToken {
        self.supervisor.impatience()
    }

    /// Stops everything, the load balancer first, and gives running requests time to finish.
    pub async fn stop(&mut self) {
        self.control_plane.abort();
        self.supervisor.stop().await;
    }

    /// The stack as others see it.
    pub fn view(&self) -> View {
        self.view.clone()
    }

    /// Says in `run.json` what runs and where its control server is.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn announce(&self, control: SocketAddr, since_unix_ns: u64) -> anyhow::Result<()> {
        let hops = self.statuses().into_iter().map(|status| RunHop {
            name: status.name,
            role: status.role,
            pid: status.pid,
            listen: status.listen,
            admin: status.admin,
        });
        self.folder.announce(&Run {
            pid: std::process::id(),
            since_unix_ns,
            control,
            secret: self.view.secret.clone(),
            config: self.plan().source.clone(),
            build: PROFILE.to_owned(),
            hops: hops.collect(),
            hosts: self.view.hosts(),
        })
    }

    fn status(&self, hop: &str) -> Option<Status> {
        self.supervisor.statuses().into_iter().find(|status| status.name == hop)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.control_plane.abort();
    }
}

impl View {
    /// The plan it runs after.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The certificates and keys in use.
    pub fn certs(&self) -> &Certs {
        &self.certs
    }

    /// The command that empties a foreign resolver's cache; no words when ours runs, or when none is known.
    pub fn flush(&self) -> &[String] {
        &self.flush
    }

    /// What the user should know about the programs in the slots.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The lab's folder: `logs/`, `data/`, `zones/`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The network of the user's own host, when the plan's programs meet in one of their own.
    pub fn browser_host(&self) -> Option<&Namespace> {
        Some(self.network.as_ref()?.host(BROWSER_HOST)?.namespace())
    }

    /// The hosts of the plan's own network.
    fn hosts(&self) -> BTreeMap<String, RunHost> {
        let hosts = self.network.iter().flat_map(|network| network.hosts());
        let host = |host: &Host| RunHost {
            addresses: host.addresses().to_vec(),
            namespace: host.namespace().path(),
        };
        hosts.map(|(name, of)| (name.to_owned(), host(of))).collect()
    }

    /// What admin requests that change something have to know.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Supervised programs and external ones, in the order of the plan.
    pub fn statuses(&self) -> Vec<Status> {
        let statuses = self.watch.statuses();
        let of = |hop: &Hop| {
            let known = statuses.iter().find(|status| status.name == hop.name).cloned();
            known.unwrap_or_else(|| Status {
                name: hop.name.clone(),
                role: hop.role().to_string(),
                listen: hop.listen,
                admin: hop.admin,
                state: State::External,
                pid: None,
                since_unix_ns: None,
                restarts: 0,
                waiting: None,
                left: Vec::new(),
                last_exit: None,
                log: state::log(&self.folder, &hop.name),
            })
        };
        self.plan.hops().map(|(_, hop)| of(hop)).collect()
    }
}
