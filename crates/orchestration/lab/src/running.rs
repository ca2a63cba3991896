//! A running lab: what the `lab` command drives and what integration tests hold in their hands.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use hop::admin::Secret;
use journey::Stage;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::binaries::Binaries;
use crate::certs::Certs;
use crate::collect::Collector;
use crate::options::Options;
use crate::plan::{Plan, Role, Runs, Settings, Surroundings};
use crate::prepare;
use crate::probe::Apart;
use crate::room::Room;
use crate::state::{Held, Run, RunHop};
use crate::supervise::{Event, Signal, State, Status, Supervisor, Watch, signal};
use crate::target::{Target, TargetHop};

/// Everything runs and is ready. Dropping it kills every program.
pub struct Lab {
    plan: Arc<Plan>,
    certs: Certs,
    collector: Collector,
    supervisor: Supervisor,
    control_plane: JoinHandle<()>,
    /// The browser of [`Lab::ask`], from the first question on.
    pub(crate) browser: OnceLock<Apart>,
    /// The command that empties a foreign resolver's cache.
    flush: Arc<[String]>,
    warnings: Arc<[String]>,
    /// Behind all that runs, so that the folder is given back when nobody writes there any more.
    held: Held,
    /// A test's, which is given back last.
    room: Option<Room>,
}

impl Lab {
    /// Starts everything and returns when all is ready.
    ///
    /// # Errors
    /// A wrong plan ([`crate::plan::PlanError`]), a lab of the same name
    /// ([`crate::state::AlreadyRuns`]), taken ports, a build that fails, or a program that dies or is
    /// not ready in time ([`crate::supervise::Death`]). Nothing runs then.
    pub async fn start(options: Options) -> anyhow::Result<Lab> {
        let Some(name) = &options.test else {
            return Self::start_plan(options.plan()?, options.build).await;
        };
        let room = Room::take(name).await?;
        let mut sets = room.options().sets;
        sets.extend(options.sets);
        room.start(Options { sets, ..options }).await
    }

    /// Starts a plan that is checked already.
    ///
    /// # Errors
    /// As [`Lab::start`].
    pub async fn start_plan(plan: Plan, build: bool) -> anyhow::Result<Lab> {
        prepare::check_programs(&plan)?;
        let held = crate::state::hold(&plan.states(), &plan.name)?;
        prepare::check_ports(&plan).await?;
        let own = plan.hops().filter(|(_, hop)| hop.runs == Runs::Own).map(|(_, hop)| hop.role());
        let binaries = Binaries::ensure(&own.collect::<BTreeSet<_>>(), build).await?;
        let (certs, _) = Certs::ensure(&plan.certs_folder(), &plan, hop::clock::now(), false)
            .context("prepare the certificates")?;
        let collector = Collector::bind(plan.collector, plan.telemetry.forward)?;
        let around = Surroundings {
            run: held.folder().to_owned(),
            certs: certs.folder().to_owned(),
            collector: collector.endpoint(),
        };
        let waves = prepare::prepare(&plan, &around, &held, &binaries)?;
        prepare::await_external(&plan).await?;
        let supervisor = Supervisor::start(waves).await?;
        let flush = prepare::flush(&plan, &around).into();
        let warnings = crate::durable::warnings(&plan).await.into();
        let plan = Arc::new(plan);
        let (watch, changed) = (supervisor.watch(), supervisor.changed());
        let follow = crate::endpoints::follow(Arc::clone(&plan), watch, changed, held.secret().clone());
        let control_plane = tokio::spawn(follow);
        let browser = OnceLock::new();
        let room = None;
        Ok(Lab { control_plane, flush, warnings, browser, room, plan, certs, collector, supervisor, held })
    }

    /// The room it lives in, if it is a test's.
    pub fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// This lab runs in a test's room, which it gives back at its end.
    pub(crate) fn lives_in(mut self, room: Room) -> Lab {
        self.room = Some(room);
        self
    }

    /// The plan it runs after.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The lab's folder: `logs/`, `data/`, `zones/`.
    pub fn folder(&self) -> &Path {
        self.held.folder()
    }

    /// What the user should know about the programs in the slots: each says who, what, and what to do.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Receives the hops' spans.
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// The certificates and keys in use.
    pub fn certs(&self) -> &Certs {
        &self.certs
    }

    /// Every program, in the order of the plan.
    pub fn statuses(&self) -> Vec<Status> {
        in_plan_order(&self.plan, self.held.folder(), self.supervisor.statuses())
    }

    /// A program's process; `None` while it does not run.
    pub fn pid(&self, hop: &str) -> Option<u32> {
        self.supervisor.statuses().into_iter().find(|status| status.name == hop)?.pid
    }

    /// What a program wrote so far.
    pub fn log(&self, hop: &str) -> String {
        let bytes = std::fs::read(self.held.log(hop)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Kills a program at once, as `kill -9` does; the lab starts it again.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&self, hop: &str) -> anyhow::Result<()> {
        let pid = self.pid(hop).with_context(|| format!("{hop} does not run"))?;
        signal(pid, Signal::Kill).with_context(|| format!("kill {hop}"))
    }

    /// Waits until a program is ready in a process other than `not`.
    ///
    /// # Errors
    /// It did not happen within the plan's limit; the error has the last lines of its log.
    pub async fn ready_again(&self, hop: &str, not: Option<u32>) -> anyhow::Result<()> {
        let what = format!("{hop} to be ready again");
        let limit =
            self.plan.find(hop).map_or(self.plan.supervise.ready, |hop| self.plan.ready_limit(hop)) * 2;
        hop::wait::until(what, limit, async || {
            let status = self.supervisor.statuses().into_iter().find(|status| status.name == hop)?;
            (status.state == State::Ready && status.pid != not).then_some(())
        })
        .await
        .with_context(|| self.log(hop))
    }

    /// What to measure; its token is fresh, good for an hour.
    ///
    /// # Errors
    /// The signing key cannot be read.
    pub fn target(&self) -> anyhow::Result<Target> {
        target(&self.plan, &self.certs, &self.flush, self.held.secret(), &self.supervisor.statuses())
    }

    /// Waits until something happens to a program.
    pub async fn event(&mut self) -> Event {
        self.supervisor.event().await
    }

    /// What happened and was not yet asked for.
    pub fn try_event(&mut self) -> Option<Event> {
        self.supervisor.try_event()
    }

    /// Cancel it while [`Lab::stop`] runs, and programs are killed instead of drained.
    pub fn impatience(&self) -> CancellationToken {
        self.supervisor.impatience()
    }

    /// Stops everything, the front door first, and gives running requests time to finish.
    pub async fn stop(mut self) {
        self.control_plane.abort();
        self.browser.take();
        self.supervisor.stop().await;
        if let Some(forward) = self.collector.forward() {
            forward.finish().await;
        }
        let room = self.room.take();
        drop(self);
        if let Some(room) = room {
            room.leave();
        }
    }

    pub(crate) fn viewer(&self) -> Viewer {
        Viewer {
            plan: Arc::clone(&self.plan),
            certs: self.certs.clone(),
            collector: self.collector.clone(),
            watch: self.supervisor.watch(),
            flush: Arc::clone(&self.flush),
            warnings: Arc::clone(&self.warnings),
            folder: self.held.folder().to_owned(),
            secret: self.held.secret().clone(),
        }
    }

    /// Says in `run.json` what runs and where it answers.
    pub(crate) fn announce(&self, control: SocketAddr, since_unix_ns: u64) -> anyhow::Result<()> {
        let hops = self.statuses().into_iter().map(|status| RunHop {
            name: status.name,
            role: status.role,
            pid: status.pid,
            listen: status.listen,
            admin: status.admin,
        });
        self.held.announce(&Run {
            pid: std::process::id(),
            since_unix_ns,
            control,
            secret: self.held.secret().clone(),
            config: self.plan.source.clone(),
            build: crate::binaries::PROFILE.to_owned(),
            hops: hops.collect(),
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.control_plane.abort();
    }
}

/// What the control server needs of a running lab.
#[derive(Clone)]
pub(crate) struct Viewer {
    pub(crate) plan: Arc<Plan>,
    certs: Certs,
    pub(crate) collector: Collector,
    watch: Watch,
    flush: Arc<[String]>,
    pub(crate) warnings: Arc<[String]>,
    folder: PathBuf,
    pub(crate) secret: Secret,
}

impl Viewer {
    /// Every program, in the order of the plan.
    pub(crate) fn statuses(&self) -> Vec<Status> {
        in_plan_order(&self.plan, &self.folder, self.watch.statuses())
    }

    pub(crate) fn target(&self) -> anyhow::Result<Target> {
        target(&self.plan, &self.certs, &self.flush, &self.secret, &self.statuses())
    }
}

/// Supervised programs and external ones, in the order of the plan.
fn in_plan_order(plan: &Plan, folder: &Path, statuses: Vec<Status>) -> Vec<Status> {
    let of = |hop: &crate::plan::Hop| {
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
            last_death: None,
            log: crate::state::log(folder, &hop.name),
        })
    };
    plan.hops().map(|(_, hop)| of(hop)).collect()
}

fn target(
    plan: &Plan,
    certs: &Certs,
    flush: &[String],
    secret: &Secret,
    statuses: &[Status],
) -> anyhow::Result<Target> {
    let resolver = plan.first(Role::Resolver).context("a plan has a resolver")?;
    let lb = plan.first(Role::Lb).context("a plan has an lb")?;
    let hops = plan.hops().map(|(_, hop)| {
        let mut listen = vec![hop.listen];
        if let Settings::Resolver { doh, .. } = &hop.settings {
            listen.push(*doh);
        }
        // Instances of these roles are hops of their own; all others share the work of one.
        let role = match hop.role() {
            Role::Dns | Role::Clusterip => hop.name.clone(),
            role => role.to_string(),
        };
        let pid = statuses.iter().find(|status| status.name == hop.name).and_then(|status| status.pid);
        let onward = match &hop.settings {
            Settings::Lb { upstreams, .. } => upstreams.clone(),
            Settings::Ingress { rules, default } => {
                rules.iter().map(|rule| rule.service).chain(*default).collect()
            }
            Settings::Clusterip { endpoints, .. } => endpoints.clone(),
            _ => Vec::new(),
        };
        let onward = onward.into_iter().map(|id| plan.hop(id).name.clone()).collect();
        // The browser connects to the lb, and the cart's is the response that it waits for.
        let begins = match hop.role() {
            Role::Lb => Some(Stage::ToPod),
            Role::Cart => Some(Stage::Application),
            _ => None,
        };
        TargetHop { name: hop.name.clone(), role, pid, opaque: !hop.reports, begins, listen, onward }
    });
    Ok(Target {
        resolver: resolver.listen,
        resolver_admin: resolver.admin.filter(|_| resolver.runs == Runs::Own),
        admin_secret: secret.clone(),
        resolver_flush: flush.to_vec(),
        host: plan.host.clone(),
        port: lb.listen.port(),
        ca: certs.authority(),
        token: certs.token(&plan.host, &plan.user, hop::clock::now())?,
        hops: hops.collect(),
        network: "loopback".to_owned(),
    })
}
