//! What is measured: the running stack as the browser, the runs and the report need to know it.

use std::ffi::OsString;
use std::net::SocketAddr;

use hop::admin::Secret;
use journey::{Hop, Roster, Stage};
use serde::{Deserialize, Serialize};

use crate::entry::Entry;

/// One running program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TargetHop {
    /// The instance, such as `cart-pod-def34`.
    pub name: String,
    /// What it plays, such as `cart`; for layer-4 and DNS instances the instance's own name.
    pub role: String,
    /// Its process, if the lab started it.
    pub pid: Option<u32>,
    /// Does it report nothing? Then its time is inferred from its neighbours.
    pub opaque: bool,
    /// Where its flight recorder is asked, if it has one (`ADMIN`).
    #[serde(skip)]
    pub recorder: Option<SocketAddr>,
    /// Which stage of the journey begins when a request has arrived here: at the edge `to-pod`, at the application
    /// `application`; none at all others.
    #[serde(default)]
    pub begins: Option<Stage>,
    /// Where it listens.
    pub listen: Vec<SocketAddr>,
    /// Who gets the requests that it passes on, by name.
    pub onward: Vec<String>,
}

/// The stack to measure.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the browser sends its requests, and whom it believes.
    pub browser: browser::Config,
    /// The user's host.
    pub entry: Entry,
    /// How the resolver's cache is emptied.
    pub flush: Flush,
    /// Everything that runs.
    pub hops: Vec<TargetHop>,
    /// `loopback` or `real`.
    pub network: String,
    /// `debug` or `release`: how the programs were built.
    pub build: String,
}

/// How a resolver's cache is emptied.
#[derive(Clone, Debug)]
pub enum Flush {
    /// Ours has an endpoint for it.
    Endpoint {
        /// Its admin address, for `POST /flush`.
        admin: SocketAddr,
        /// What requests that change something have to know.
        secret: Secret,
    },
    /// A foreign one has a command.
    Command {
        /// The program and its arguments; none where the resolver has no such command and keeps its cache.
        words: Vec<String>,
        /// Where programs are looked for, in the form of `PATH`.
        path: OsString,
    },
}

impl Target {
    /// The processes that the lab started.
    pub fn pids(&self) -> impl Iterator<Item = u32> {
        self.hops.iter().filter_map(|hop| hop.pid)
    }

    /// Who listens where and who reports, for joining spans.
    pub fn roster(&self) -> Roster {
        let mut roster = Roster::default();
        for hop in &self.hops {
            let known = Hop {
                name: hop.name.clone(),
                role: hop.role.clone(),
                reports: !hop.opaque,
                keeps: !hop.opaque && hop.recorder.is_some(),
                begins: hop.begins,
                onward: hop.onward.clone(),
            };
            roster.add(known, hop.listen.iter().copied());
        }
        roster
    }
}
