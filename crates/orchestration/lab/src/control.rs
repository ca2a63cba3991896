//! The control server: how `lab status`, `lab stop` and `lab measure` reach a running lab.
//!
//! | request | response |
//! |---|---|
//! | `GET /status` | [`Report`] as JSON |
//! | `GET /plan` | the checked plan as JSON |
//! | `POST /measure` with [`measure::Options`] | [`measure::Measured`] as JSON; one at a time |
//! | `GET /measure` | [`Progress`] as JSON: how far the measurement is that runs now |
//! | `POST /budget` | [`round_trips::Counted`] as JSON |
//! | `POST /stop` | 202; the lab stops |
//!
//! A POST demands `Authorization: Bearer SECRET`; the secret is in the file `secret` of the lab's folder.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use hop::Admin;
use hop::http::{Body, json, text};
use hyper::{Method, Response, StatusCode};
use measure::{round_trips, usage};
use parking_lot::Mutex;
use plan::{Plan, Runs};
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::fault;
use crate::private;
use crate::viewer::Viewer;

pub mod client;
mod messages;

pub use messages::{HopReport, Progress, Report};

const OK: StatusCode = StatusCode::OK;

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
    let listener = match private::take_control() {
        Some(listener) => adopted(listener),
        None => hop::listen::tcp(viewer.stack.plan().control),
    };
    let listener = listener.context("open the control server")?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let admin = Admin::guarded("lab", Some(viewer.stack.secret().clone()));
    let seen = viewer.clone();
    admin.route(Method::GET, "/status", move |_| ready(json(OK, &status(&seen, since_unix_ns))));
    let seen = viewer.clone();
    admin.route(Method::GET, "/plan", move |_| ready(json(OK, &plan(seen.stack.plan()))));
    let stopper = stop.clone();
    admin.route(Method::POST, "/stop", move |_| {
        stopper.cancel();
        ready(text(StatusCode::ACCEPTED, "stopping\n"))
    });
    // Two measurements at once would measure each other.
    let turn = Arc::new(tokio::sync::Mutex::new(()));
    let progress = Arc::new(Mutex::new(Progress::default()));
    let shown = Arc::clone(&progress);
    admin.route(Method::GET, "/measure", move |_| ready(json(OK, &*shown.lock())));
    let (seen, its_turn) = (viewer.clone(), Arc::clone(&turn));
    admin.route(Method::POST, "/budget", move |_| {
        let (viewer, turn) = (seen.clone(), Arc::clone(&its_turn));
        async move {
            let _turn = turn.lock().await;
            response(counted(&viewer).await, &viewer).await
        }
    });
    admin.route(Method::POST, "/measure", move |body| {
        let (viewer, turn, progress) = (viewer.clone(), Arc::clone(&turn), Arc::clone(&progress));
        async move {
            let options = match options(&body) {
                Ok(options) => options,
                Err(error) => {
                    let expected = format!("expected measure options as JSON: {error}\n");
                    return text(StatusCode::BAD_REQUEST, expected);
                }
            };
            let _turn = turn.lock().await;
            response(measured(&viewer, &options, progress).await, &viewer).await
        }
    });
    admin.set_ready(true);
    Ok(Control { address, stop, task: tokio::spawn(admin.serve(listener)) })
}

fn adopted(listener: std::net::TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    listener.set_nonblocking(true)?;
    Ok(tokio::net::TcpListener::from_std(listener)?)
}

/// No body means the default options.
fn options(body: &[u8]) -> serde_json::Result<measure::Options> {
    if body.is_empty() { Ok(measure::Options::default()) } else { serde_json::from_slice(body) }
}

async fn measured(
    viewer: &Viewer,
    options: &measure::Options,
    progress: Arc<Mutex<Progress>>,
) -> anyhow::Result<measure::Measured> {
    *progress.lock() = Progress::default();
    let show = move |done, of| *progress.lock() = Progress { done, of };
    measure::run(&viewer.target()?, &viewer.collector, options, show).await
}

async fn counted(viewer: &Viewer) -> anyhow::Result<round_trips::Counted> {
    round_trips::count(&viewer.target()?, &viewer.collector).await
}

/// What was measured, or why it could not be, with the hop at which requests fail.
async fn response(result: anyhow::Result<impl Serialize>, viewer: &Viewer) -> Response<Body> {
    match result {
        Ok(value) => json(OK, &value),
        Err(error) => {
            let fault = fault::found(viewer).await.map(|fault| format!("\n{fault}"));
            let why = format!("{error:#}{}\n", fault.unwrap_or_default());
            text(StatusCode::INTERNAL_SERVER_ERROR, why)
        }
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
        build: stack::binaries::PROFILE.to_owned(),
        warnings: viewer.stack.warnings().to_vec(),
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
