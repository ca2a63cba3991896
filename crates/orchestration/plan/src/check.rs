//! From what is written to what it means.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;

use crate::checked::{LAB_ADDRESS, NetworkMode, Plan, Supervision, TelemetryPlan};
use crate::distance::closest;
use crate::error::{PlanError, Sources};
use crate::hop::{Hop, Runs};
use crate::raw::{Raw, RawCommand, RawHop};
use crate::recipe::{self, Recipe};
use crate::role::Role;
use crate::words;

mod addresses;
mod checker;
mod cross_references;
mod settings;
mod values;

use checker::{Check, Written};
use values::{choice, path, plain_name, seconds, text, whole};

/// The samplers of OpenTelemetry that hops understand.
const SAMPLERS: [&str; 4] = ["parentbased_always_on", "parentbased_always_off", "always_on", "always_off"];

/// Where the programs meet; the first is the usual one.
const MODES: [&str; 2] = ["loopback", "real"];

/// Checks everything and gives every name its hop.
pub(crate) fn plan(raw: Raw, sources: &Sources, label: &str, folder: &Path) -> Result<Plan, PlanError> {
    let network = &raw.network;
    let offset = whole(&network.port_offset, "network.port_offset", 0..=50_000, 0, sources)?;
    let admin_port = whole(&network.admin_port, "network.admin_port", 1..=65_535, 9100, sources)?;
    let mode = match choice(&network.mode, "network.mode", &MODES, sources)?.as_str() {
        "real" => NetworkMode::Real,
        _ => NetworkMode::Loopback,
    };
    let check = Check { sources, mode, offset, admin_port, hops: order(&raw.hop, sources)? };
    let mut hops = Vec::with_capacity(check.hops.len());
    for (name, role, hop, span) in &check.hops {
        hops.push(check.hop(name, *role, hop, span)?);
    }
    check.admin_addresses(&mut hops)?;
    check.across_hops(&hops)?;
    let anywhere = "127.0.0.1:0";
    let collector = check.fixed(&network.collector, "network.collector", anywhere)?;
    Ok(Plan {
        name: check.name(&raw)?,
        source: label.to_owned(),
        folder: folder.to_path_buf(),
        state: path(&raw.lab.state),
        certs: path(&raw.lab.certs),
        mode,
        port_offset: offset as u16,
        control: check.fixed(&network.control, "network.control", anywhere)?,
        // In a real network the lab has an address that every host reaches.
        collector: match mode {
            NetworkMode::Loopback => collector,
            NetworkMode::Real => (LAB_ADDRESS, collector.port()).into(),
        },
        host: text(&raw.shop.host, "api.myshop.com"),
        user: text(&raw.shop.user, "789"),
        telemetry: TelemetryPlan {
            sampler: choice(&raw.telemetry.sampler, "telemetry.sampler", &SAMPLERS, sources)?,
            delay_ms: whole(&raw.telemetry.delay_ms, "telemetry.delay_ms", 1..=60_000, 200, sources)? as u64,
            outside_per_second: whole(
                &raw.telemetry.outside_per_second,
                "telemetry.outside_per_second",
                0..=100_000,
                20,
                sources,
            )? as u64,
            flight_recorder: whole(
                &raw.telemetry.flight_recorder,
                "telemetry.flight_recorder",
                0..=1_000_000,
                8_192,
                sources,
            )? as u64,
            log: text(&raw.telemetry.log, "info"),
            forward: check.receiver(&raw.telemetry.forward, "telemetry.forward")?,
        },
        supervise: Supervision {
            ready: seconds(&raw.supervise.ready_seconds, "supervise.ready_seconds", 10.0, sources)?,
            drain: Duration::from_secs(whole(
                &raw.supervise.drain_seconds,
                "supervise.drain_seconds",
                0..=3600,
                2,
                sources,
            )? as u64),
            probe: seconds(&raw.supervise.probe_seconds, "supervise.probe_seconds", 1.0, sources)?,
        },
        budget: check.budget(&raw.budget, &hops)?,
        hops,
    })
}

/// Hops in the order of the file, each with its role.
fn order<'a>(
    hops: &'a BTreeMap<Spanned<String>, RawHop>,
    sources: &Sources,
) -> Result<Vec<Written<'a>>, PlanError> {
    let mut written = Vec::with_capacity(hops.len());
    for (key, hop) in hops {
        let name = key.get_ref().as_str();
        let (role, span) = match &hop.role {
            Some(role) => (role.get_ref().as_str(), role.span()),
            None => (name, key.span()),
        };
        let Ok(role) = role.parse() else {
            let known = Role::ALL.map(Role::as_str);
            let remedy = match closest(role, known) {
                Some(meant) => format!("did you mean role = \"{meant}\"? Roles: {}", known.join(", ")),
                None => format!("add role = \"…\", one of: {}", known.join(", ")),
            };
            let problem = format!("there is no role `{role}`");
            return Err(sources.error(&span, format!("hop.{name}.role"), problem, remedy));
        };
        plain_name(name, &key.span(), &format!("hop.{name}"), sources)?;
        written.push((name, role, hop, key.span()));
    }
    written.sort_by_key(|(.., span)| span.start);
    Ok(written)
}

impl Check<'_> {
    fn name(&self, raw: &Raw) -> Result<String, PlanError> {
        if let Some(name) = &raw.lab.name {
            plain_name(name.get_ref(), &name.span(), "lab.name", self.sources)?;
        }
        Ok(text(&raw.lab.name, "lab"))
    }

    fn hop(&self, name: &str, role: Role, raw: &RawHop, span: &Range<usize>) -> Result<Hop, PlanError> {
        let key = |last: &str| format!("hop.{name}.{last}");
        let (runs, recipe) = self.runs(role, raw, &key)?;
        let (loopback, listen) = match &runs {
            Runs::External(url) => {
                let external = raw.external.as_ref().map_or(span.clone(), Spanned::span);
                if self.mode == NetworkMode::Real {
                    let problem = "a program that runs already is not in the lab's own network";
                    let remedy =
                        "start it from here (`command` or `recipe`), or use network.mode = \"loopback\"";
                    return Err(self.sources.error(&external, key("external"), problem, remedy));
                }
                let address = self.external(url, &external, &key("external"))?;
                (address, address)
            }
            Runs::Own | Runs::Command(_) => self.listens(raw, span, &key)?,
        };
        if let Some(host) = &raw.host {
            plain_name(host.get_ref(), &host.span(), &key("host"), self.sources)?;
        }
        let admin = raw.admin.as_ref().map(|admin| self.address(admin, &key("admin"))).transpose()?;
        let admin = admin.filter(|_| self.mode == NetworkMode::Loopback);
        let own = runs == Runs::Own;
        if let Some(config) = raw.config.as_ref().filter(|_| !matches!(runs, Runs::Command(_))) {
            let remedy = "remove it, or add a command that uses {CONFIG}";
            let problem = "a config file is for hops with a command";
            return Err(self.sources.error(&config.span(), key("config"), problem, remedy));
        }
        let reports = own || recipe.is_some_and(|recipe| recipe.reports);
        let env = raw.env.iter().map(|(key, value)| (key.get_ref().clone(), value.get_ref().to_string()));
        Ok(Hop {
            flush: self.flush(raw, &runs, recipe, &key)?,
            name: name.to_owned(),
            listen,
            loopback,
            host: text(&raw.host, name),
            admin,
            runs,
            recipe,
            reports: raw.reports.as_ref().map_or(reports, |reports| *reports.get_ref()),
            config: path(&raw.config),
            env: env.collect(),
            settings: self.settings(role, raw, span, &key)?,
        })
    }

    /// Who plays it, and the recipe that says how.
    fn runs(
        &self,
        role: Role,
        raw: &RawHop,
        key: &dyn Fn(&str) -> String,
    ) -> Result<(Runs, Option<&'static Recipe>), PlanError> {
        let both = |what: &str, span: Range<usize>, last: &str, remedy: &str| {
            self.sources.error(&span, key(last), format!("a hop has {what}, not both"), remedy)
        };
        match (&raw.command, &raw.recipe, &raw.external) {
            (Some(_), _, Some(external)) => {
                let remedy = "keep `command` if the lab shall start it, `external` if it runs already";
                Err(both("a command or is external", external.span(), "external", remedy))
            }
            (_, Some(_), Some(external)) => {
                let remedy = "keep `recipe` if the lab shall start it, `external` if it runs already";
                Err(both("a recipe or is external", external.span(), "external", remedy))
            }
            (Some(_), Some(recipe), _) => {
                let remedy = "keep `recipe` for a program that the lab knows, `command` for one of your own";
                Err(both("a recipe or a command", recipe.span(), "recipe", remedy))
            }
            (None, None, Some(external)) => Ok((Runs::External(external.get_ref().clone()), None)),
            (Some(command), None, None) => {
                let remedy = "write the program and its arguments, such as \"redis-server --port {PORT}\"";
                Ok((Runs::Command(self.words(command, &key("command"), remedy)?), None))
            }
            (None, Some(name), None) => {
                let recipe = self.recipe(role, name, key)?;
                Ok((Runs::Command(recipe.command.clone()), Some(recipe)))
            }
            (None, None, None) => Ok((Runs::Own, None)),
        }
    }

    fn recipe(
        &self,
        role: Role,
        name: &Spanned<String>,
        key: &dyn Fn(&str) -> String,
    ) -> Result<&'static Recipe, PlanError> {
        let text = name.get_ref().as_str();
        if let Some(recipe) = recipe::find(role, text) {
            return Ok(recipe);
        }
        let others: Vec<&str> = recipe::all()
            .iter()
            .filter(|recipe| recipe.name == text)
            .map(|recipe| recipe.role.as_str())
            .collect();
        let problem = match others.as_slice() {
            [] => format!("there is no recipe `{text}`, and no program of this name is installed"),
            roles => format!("the recipe `{text}` plays {}, and this hop has role {role}", roles.join(", ")),
        };
        let fitting = recipe::names(role);
        let own = "a program of your own is given by its path";
        let remedy = match closest(text, recipe::of(role).map(|recipe| recipe.name)) {
            Some(meant) => format!("did you mean `{meant}`? Recipes for {role}: {fitting}; {own}"),
            None => format!("recipes for {role}: {fitting}; {own}"),
        };
        Err(self.sources.error(&name.span(), key("recipe"), problem, remedy))
    }

    /// How a foreign resolver's cache is emptied: as the plan says, or else as its recipe does.
    fn flush(
        &self,
        raw: &RawHop,
        runs: &Runs,
        recipe: Option<&'static Recipe>,
        key: &dyn Fn(&str) -> String,
    ) -> Result<Option<Vec<String>>, PlanError> {
        let Some(flush) = &raw.flush else { return Ok(recipe.and_then(|recipe| recipe.flush.clone())) };
        if *runs == Runs::Own {
            let problem = "the lab's own resolver is emptied by its admin endpoint";
            return Err(self.sources.error(&flush.span(), key("flush"), problem, "remove the line"));
        }
        let remedy = "write the command that empties its cache, such as \"unbound-control flush_zone .\"";
        self.words(flush, &key("flush"), remedy).map(Some)
    }

    fn words(
        &self,
        command: &Spanned<RawCommand>,
        key: &str,
        remedy: &str,
    ) -> Result<Vec<String>, PlanError> {
        let words = match command.get_ref() {
            RawCommand::Line(line) => words::split(line),
            RawCommand::Words(words) if words.is_empty() => Err("there is no command".to_owned()),
            RawCommand::Words(words) => Ok(words.clone()),
        };
        words.map_err(|problem| self.sources.error(&command.span(), key, problem, remedy))
    }
}
