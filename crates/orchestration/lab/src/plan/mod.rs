//! The plan: what lab.toml says, checked, with every reference resolved.
//!
//! Two stages. `raw` is exactly what is written. [`Plan`] is what it means: its types cannot be
//! wrong, and nothing behind this module looks at text again.

mod addresses;
mod check;
mod cross_references;
mod distance;
mod environment;
mod error;
mod hop;
mod keys;
mod overrides;
mod raw;
mod references;
mod routes;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod values;
pub(crate) mod words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize as _;

pub use environment::Surroundings;
pub(crate) use environment::{fill, fill_file};
pub use error::PlanError;
use error::Sources;
pub use hop::{Hop, HopId, Role, Rule, Runs, Settings};

/// The plan that is used where no lab.toml is found: the one in the workspace, as it was at build time.
pub const DEFAULT: &str = include_str!("../../../../../lab.toml");

/// The phases of a journey that `[budget]` can limit; its other keys are hops and roles.
pub const BUDGET_PHASES: [&str; 9] =
    ["browser", "dns", "tcp", "tls", "to-load-balancer", "to-pod", "application", "response", "total"];

/// A checked plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The lab's name: its folder and its lock.
    pub name: String,
    /// Where the plan came from, as it is shown: a path, or `the built-in lab.toml`.
    pub source: String,
    /// Relative paths in the plan start here.
    pub folder: PathBuf,
    /// The folder of all labs' states, unless the usual one is meant.
    pub state: Option<PathBuf>,
    /// The folder of certificates and keys, unless the usual one is meant.
    pub certs: Option<PathBuf>,
    /// What was added to every port.
    pub port_offset: u16,
    /// Where `lab status`, `stop` and `measure` reach the running lab; port 0 takes a free one.
    pub control: SocketAddr,
    /// Where spans are collected; port 0 takes a free one.
    pub collector: SocketAddr,
    /// The shop's host name, as the user types it.
    pub host: String,
    /// Whose cart it is: the token's `sub`.
    pub user: String,
    /// What every program is told about spans and logs.
    pub telemetry: TelemetryPlan,
    /// How programs are watched.
    pub supervise: Supervision,
    /// Limits for `lab check`, in milliseconds: a hop's name, a role, or a phase of the journey.
    pub budget: Vec<(String, f64)>,
    hops: Vec<Hop>,
}

/// What every program is told about spans and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPlan {
    /// `OTEL_TRACES_SAMPLER`.
    pub sampler: String,
    /// `OTEL_BSP_SCHEDULE_DELAY`, in milliseconds.
    pub delay_ms: u64,
    /// `RUST_LOG`.
    pub log: String,
    /// A collector of the user's own, which gets every span as well.
    pub forward: Option<SocketAddr>,
}

/// How programs are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// How long a program may take until it is ready.
    pub ready: Duration,
    /// How long a program may take to finish running work when told to stop.
    pub drain: Duration,
    /// How often pods are asked whether they are ready.
    pub probe: Duration,
}

/// Where a plan's text comes from.
#[derive(Clone, Debug, Default)]
pub enum Config {
    /// `./lab.toml`, else the workspace's, else [`DEFAULT`].
    #[default]
    Found,
    /// This file.
    File(PathBuf),
    /// This text; for tests.
    Text(String),
}

impl Plan {
    /// Reads and checks a plan, changed by `--set` and `--swap` options.
    ///
    /// # Errors
    /// [`PlanError`] for the first mistake, or the file cannot be read.
    pub fn load(config: &Config, sets: &[String], swaps: &[String]) -> Result<Plan, PlanError> {
        let (label, text, folder) = read(config)?;
        Plan::parse(&label, &text, &folder, sets, swaps)
    }

    /// Checks a plan's text. `label` names it in errors; relative paths start at `folder`.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse(
        label: &str,
        text: &str,
        folder: &Path,
        sets: &[String],
        swaps: &[String],
    ) -> Result<Plan, PlanError> {
        let mut sources = Sources::default();
        sources.file(label, text);
        let sets = sets.iter().map(|set| overrides::Override::new(set, &mut sources));
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        let document = toml::de::DeTable::parse(text).map_err(|error| not_toml(&error, &sources))?;
        let span = document.span();
        let mut document = document.into_inner();
        for set in &sets {
            set.apply(&mut document, &sources)?;
        }
        keys::check(&document, &sources)?;
        let places = keys::places(&document);
        let deserializer = toml::Deserializer::from(toml::Spanned::new(span, document));
        let raw = raw::Raw::deserialize(deserializer);
        let mut raw = raw.map_err(|error| wrong_type(&error, &places, &sources))?;
        references::swap(&mut raw, swaps, &mut sources)?;
        check::plan(raw, &sources, label, folder)
    }

    /// Every hop, in the order of the file.
    pub fn hops(&self) -> impl ExactSizeIterator<Item = (HopId, &Hop)> {
        self.hops.iter().enumerate().map(|(index, hop)| (HopId(index), hop))
    }

    /// The hop that `id` stands for.
    pub fn hop(&self, id: HopId) -> &Hop {
        &self.hops[id.0]
    }

    /// The hop of this name.
    pub fn find(&self, name: &str) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.name == name)
    }

    /// The first hop of this role. A plan always has a resolver and an lb.
    pub fn first(&self, role: Role) -> Option<&Hop> {
        self.hops.iter().find(|hop| hop.role() == role)
    }

    /// How long a program may take until it is ready.
    pub fn ready_limit(&self, hop: &Hop) -> Duration {
        self.supervise.ready.max(hop.recipe.map_or(Duration::ZERO, |recipe| recipe.ready))
    }

    /// How long a program may take to finish running work when told to stop.
    pub fn drain_limit(&self, hop: &Hop) -> Duration {
        self.supervise.drain.max(hop.recipe.map_or(Duration::ZERO, |recipe| recipe.drain))
    }

    /// Hops in waves: each needs only hops of earlier waves.
    pub fn waves(&self) -> Vec<Vec<HopId>> {
        references::waves(&self.hops)
    }
}

/// Reads a plan's text: what to call it, the text, and where relative paths start.
fn read(config: &Config) -> Result<(String, String, PathBuf), PlanError> {
    let found = match config {
        Config::Text(text) => {
            return Ok(("the plan".to_owned(), text.clone(), crate::workspace::root().unwrap_or_default()));
        }
        Config::File(path) => Some(path.clone()),
        Config::Found => {
            let here = PathBuf::from("lab.toml");
            let there = crate::workspace::root().map(|root| root.join("lab.toml"));
            Some(here).filter(|path| path.is_file()).or(there.filter(|path| path.is_file()))
        }
    };
    let Some(path) = found else {
        return Ok(("the built-in lab.toml".to_owned(), DEFAULT.to_owned(), PathBuf::new()));
    };
    let label = crate::workspace::shown(&path);
    let text = std::fs::read_to_string(&path).map_err(|error| PlanError {
        place: label.clone(),
        key: String::new(),
        problem: format!("the plan cannot be read: {error}"),
        remedy: "check the path; without --config, ./lab.toml or the workspace's is used".to_owned(),
    })?;
    let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
    Ok((label, text, folder))
}

fn not_toml(error: &toml::de::Error, sources: &Sources) -> PlanError {
    let span = error.span().unwrap_or(0..0);
    let remedy = "mend the line; https://toml.io/en/v1.0.0 explains the syntax";
    sources.error(&span, "", format!("not TOML: {}", error.message().replace('\n', ", ")), remedy)
}

/// `places` says which key each value belongs to.
fn wrong_type(
    error: &toml::de::Error,
    places: &[(std::ops::Range<usize>, String)],
    sources: &Sources,
) -> PlanError {
    let span = error.span().unwrap_or(0..0);
    let around = places.iter().filter(|(place, _)| place.start <= span.start && span.start < place.end);
    let key = around.min_by_key(|(place, _)| place.len()).map_or("", |(_, key)| key);
    let problem =
        error.message().replace('\n', ", ").replace("i64", "a whole number").replace("f64", "a number");
    let remedy = "give the value the type that is expected: \"text\", 42, 0.5, true, or [\"a\", \"b\"]";
    sources.error(&span, key, problem, remedy)
}
