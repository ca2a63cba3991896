//! The control server: how `lab status`, `lab stop` and `lab measure` reach a running lab.
//!
//! | request | answer |
//! |---|---|
//! | `GET /status` | [`Report`] as JSON |
//! | `GET /plan` | the checked plan as JSON |
//! | `POST /measure` with [`measure::Options`] | [`measure::Measured`] as JSON; one at a time |
//! | `GET /measure` | [`Going`] as JSON: how far the measurement is that runs now |
//! | `POST /budget` | [`budget::Counted`] as JSON |
//! | `POST /stop` | 202; the lab stops |
//!
//! A POST demands `Authorization: Bearer SECRET`; the secret is in the file `secret` of the lab's folder.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use hop::Admin;
use hop::admin::client;
use hop::http::text;
use hop::http::{Body, full};
use hyper::header::{self, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::plan::{Plan, Runs};
use crate::running::Viewer;
use crate::state::Run;
use crate::supervise::{Status, usage};
use crate::{budget, measure};

/// A measurement may take this long.
const MEASURE_LIMIT: Duration = Duration::from_secs(7200);

/// Between two looks at how far a measurement is.
const LOOK: Duration = Duration::from_millis(250);

/// What `lab status` shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The lab's name.
    pub name: String,
    /// Its process.
    pub pid: u32,
    /// When it began, in nanoseconds since the Unix epoch.
    pub since_unix_ns: u64,
    /// Where its plan came from.
    pub config: String,
    /// `debug` or `release`.
    pub build: String,
    /// What the user should know about the programs in the slots.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Its programs.
    pub hops: Vec<HopReport>,
}

/// One program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HopReport {
    /// Who, where, since when.
    #[serde(flatten)]
    pub status: Status,
    /// Resident memory in bytes, shared pages included; with all that it started itself.
    pub resident_bytes: Option<u64>,
    /// CPU time in seconds since it was started.
    pub cpu_seconds: Option<f64>,
}

/// How far a measurement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// Requests that were made.
    pub done: usize,
    /// Requests that will be; 0 while nothing was ever measured.
    pub of: usize,
}

/// The control server's address and the request to stop.
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    /// Cancelled by `POST /stop`.
    pub(crate) stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves a running lab.
pub(crate) fn serve(viewer: Viewer, since_unix_ns: u64) -> anyhow::Result<Control> {
    let listener = hop::listen::tcp(viewer.stack.plan().control).context("open the control server")?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let admin = Admin::guarded("lab", Some(viewer.stack.secret().clone()));
    let seen = viewer.clone();
    admin.route(Method::GET, "/status", move |_| std::future::ready(answer(&status(&seen, since_unix_ns))));
    let seen = viewer.clone();
    admin.route(Method::GET, "/plan", move |_| std::future::ready(answer(&plan(seen.stack.plan()))));
    let stopper = stop.clone();
    admin.route(Method::POST, "/stop", move |_| {
        stopper.cancel();
        std::future::ready(text(StatusCode::ACCEPTED, "stopping\n"))
    });
    // Two measurements at once would measure each other.
    let turn = Arc::new(Mutex::new(()));
    let going = Arc::new(std::sync::Mutex::new(Going::default()));
    let looked = Arc::clone(&going);
    admin.route(Method::GET, "/measure", move |_| std::future::ready(answer(&*lock(&looked))));
    let (seen, its_turn) = (viewer.clone(), Arc::clone(&turn));
    admin.route(Method::POST, "/budget", move |_| {
        let (viewer, turn) = (seen.clone(), Arc::clone(&its_turn));
        async move {
            let _turn = turn.lock().await;
            match counted(&viewer).await {
                Ok(counted) => answer(&counted),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
            }
        }
    });
    admin.route(Method::POST, "/measure", move |body| {
        let (viewer, turn, going) = (viewer.clone(), Arc::clone(&turn), Arc::clone(&going));
        async move {
            let options =
                if body.is_empty() { Ok(measure::Options::default()) } else { serde_json::from_slice(&body) };
            let options: measure::Options = match options {
                Ok(options) => options,
                Err(error) => {
                    return text(
                        StatusCode::BAD_REQUEST,
                        format!("expected measure options as JSON: {error}\n"),
                    );
                }
            };
            let _turn = turn.lock().await;
            match measured(&viewer, &options, going).await {
                Ok(measured) => answer(&measured),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
            }
        }
    });
    admin.set_ready(true);
    Ok(Control { address, stop, task: tokio::spawn(admin.serve(listener)) })
}

async fn measured(
    viewer: &Viewer,
    options: &measure::Options,
    going: Arc<std::sync::Mutex<Going>>,
) -> anyhow::Result<measure::Measured> {
    *lock(&going) = Going::default();
    let progress = move |done, of| *lock(&going) = Going { done, of };
    measure::run(&viewer.target()?, &viewer.collector, options, progress).await
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn counted(viewer: &Viewer) -> anyhow::Result<budget::Counted> {
    budget::count(&viewer.target()?, &viewer.collector).await
}

fn answer(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(json) => {
            let mut response = Response::new(full(json));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("encode the answer: {error}\n")),
    }
}

fn status(viewer: &Viewer, since_unix_ns: u64) -> Report {
    let groups = usage::groups();
    let hops = viewer.stack.statuses().into_iter().map(|status| {
        let usage = status.pid.and_then(|pid| groups.get(&pid));
        HopReport {
            resident_bytes: usage.map(|usage| usage.resident),
            cpu_seconds: usage.map(|usage| usage.cpu),
            status,
        }
    });
    Report {
        name: viewer.stack.plan().name.clone(),
        pid: std::process::id(),
        since_unix_ns,
        config: viewer.stack.plan().source.clone(),
        build: crate::binaries::PROFILE.to_owned(),
        warnings: viewer.warnings.to_vec(),
        hops: hops.collect(),
    }
}

/// A plan as others see it; two plans that start the same stack are equal.
pub(crate) fn plan(plan: &Plan) -> Value {
    let hops = plan.hops().map(|(_, hop)| {
        let (runs, by) = match &hop.runs {
            Runs::Own => ("own", Value::Null),
            Runs::Command(words) => ("command", json!(words)),
            // Without user and password.
            Runs::External(_) => ("external", json!(hop.listen)),
        };
        let needs: Vec<&str> = hop.needs().iter().map(|id| plan.hop(*id).name.as_str()).collect();
        json!({
            "name": hop.name, "role": hop.role().as_str(), "listen": hop.listen, "admin": hop.admin,
            "runs": runs, "by": by, "needs": needs, "reports": hop.reports, "env": hop.env,
            "settings": format!("{:?}", hop.settings),
        })
    });
    json!({
        "name": plan.name, "source": plan.source, "host": plan.host, "user": plan.user,
        "port_offset": plan.port_offset, "hops": hops.collect::<Vec<_>>(),
    })
}

/// Asks a running lab for its status.
///
/// # Errors
/// It does not answer.
pub async fn ask_status(run: &Run) -> anyhow::Result<Report> {
    let reply = client::get(run.control, "/status").await.context("ask the running lab")?;
    serde_json::from_slice(&reply.body).context("understand the running lab's answer")
}

/// Asks a running lab for its plan.
///
/// # Errors
/// It does not answer.
pub async fn ask_plan(run: &Run) -> anyhow::Result<Value> {
    let reply = client::get(run.control, "/plan").await.context("ask the running lab")?;
    serde_json::from_slice(&reply.body).context("understand the running lab's answer")
}

/// As [`ask_measure`]; `progress` hears a few times per second how far it is.
///
/// # Errors
/// As there.
pub async fn ask_measure_showing(
    run: &Run,
    options: &measure::Options,
    progress: impl FnMut(usize, usize),
) -> anyhow::Result<measure::Measured> {
    tokio::select! {
        measured = ask_measure(run, options) => measured,
        never = follow(run, progress) => match never {},
    }
}

/// Asks how far the measurement is, now and then: that disturbs less than a stream would.
async fn follow(run: &Run, mut progress: impl FnMut(usize, usize)) -> std::convert::Infallible {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let reply = client::get(run.control, "/measure").await;
        if let Some(going) = reply.ok().and_then(|reply| serde_json::from_slice::<Going>(&reply.body).ok()) {
            progress(going.done, going.of);
        }
    }
}

/// Lets a running lab measure.
///
/// # Errors
/// It could not.
pub async fn ask_measure(run: &Run, options: &measure::Options) -> anyhow::Result<measure::Measured> {
    let body = serde_json::to_vec(options)?;
    let reply =
        client::request(run.control, Method::POST, "/measure", body.into(), Some(&run.secret), MEASURE_LIMIT);
    let reply = reply.await.context("ask the running lab")?;
    anyhow::ensure!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body).trim_end());
    serde_json::from_slice(&reply.body).context("understand the running lab's answer")
}

/// Lets a running lab count round trips.
///
/// # Errors
/// It could not.
pub async fn ask_budget(run: &Run) -> anyhow::Result<budget::Counted> {
    let reply =
        client::request(run.control, Method::POST, "/budget", Bytes::new(), Some(&run.secret), MEASURE_LIMIT);
    let reply = reply.await.context("ask the running lab")?;
    anyhow::ensure!(reply.status.is_success(), "{}", String::from_utf8_lossy(&reply.body).trim_end());
    serde_json::from_slice(&reply.body).context("understand the running lab's answer")
}
