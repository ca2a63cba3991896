//! What each role must be told.

use std::ops::Range;

use toml::Spanned;

use super::checker::Check;
use super::values::{choice, text, whole};
use crate::distance::closest;
use crate::error::PlanError;
use crate::hop::{HopId, Rule, Settings};
use crate::raw::{RawHop, RawRule};
use crate::role::Role;

/// What `balance` may say; the lb's own help explains each.
const BALANCES: [&str; 3] = ["least-connections", "round-robin", "peak-ewma"];
const MODES: [&str; 3] = ["random", "round-robin", "client-ip"];
const APPENDFSYNCS: [&str; 2] = ["always", "everysec"];

impl Check<'_> {
    pub(super) fn settings(
        &self,
        role: Role,
        raw: &RawHop,
        span: &Range<usize>,
        key: &dyn Fn(&str) -> String,
    ) -> Result<Settings, PlanError> {
        let missing = |last: &str, remedy: &str| {
            self.sources.error(span, key(last), format!("a hop of role {role} needs `{last}`"), remedy)
        };
        let one = |value: &Option<Spanned<String>>, last: &str, roles: &[Role]| match value {
            Some(value) => self.reference(value, &key(last), roles),
            None => Err(missing(last, "add the name of the hop it sends requests to")),
        };
        let many = |value: &Option<Spanned<Vec<Spanned<String>>>>, last: &str, roles: &[Role]| {
            let value = value.as_ref().ok_or_else(|| missing(last, "add an array of hop names"))?;
            let names = value.get_ref().iter().map(|name| self.reference(name, &key(last), roles));
            let ids = names.collect::<Result<Vec<_>, _>>()?;
            if ids.is_empty() {
                let remedy = "add at least one hop's name";
                return Err(self.sources.error(&value.span(), key(last), "the list is empty", remedy));
            }
            Ok(ids)
        };
        let pods = [Role::Cart, Role::Inventory];
        let services = [Role::Clusterip, Role::Cart, Role::Inventory];
        Ok(match role {
            Role::Dns => {
                if raw.zones.is_empty() {
                    return Err(missing(
                        "zones",
                        "add zones = { \"com.\" = \"crates/hops/dns/zones/com.zone\" }",
                    ));
                }
                let zones = raw.zones.iter();
                let zones = zones.map(|(name, file)| (name.get_ref().clone(), file.get_ref().into()));
                Settings::Dns { zones: zones.collect() }
            }
            Role::Resolver => {
                let doh = raw.doh.as_ref().ok_or_else(|| missing("doh", "add doh = \"127.0.53.53:5443\""))?;
                Settings::Resolver {
                    roots: many(&raw.roots, "roots", &[Role::Dns])?,
                    doh: self.doh(raw, doh, key)?,
                }
            }
            Role::Lb => Settings::Lb {
                upstreams: many(&raw.upstreams, "upstreams", &[Role::Ingress, Role::Clusterip, Role::Cart])?,
                balance: choice(&raw.balance, &key("balance"), &BALANCES, self.sources)?,
            },
            Role::Ingress => {
                let rules = raw.rules.as_ref().ok_or_else(|| missing("rules", "add at least one rule"))?;
                let rules = rules.get_ref().iter().map(|rule| self.rule(rule, key, &services));
                let default = raw.default.as_ref();
                Settings::Ingress {
                    rules: rules.collect::<Result<_, _>>()?,
                    default: default
                        .map(|name| self.reference(name, &key("default"), &services))
                        .transpose()?,
                }
            }
            Role::Clusterip => Settings::Clusterip {
                endpoints: many(&raw.endpoints, "endpoints", &pods)?,
                mode: choice(&raw.mode, &key("mode"), &MODES, self.sources)?,
            },
            Role::Cart => Settings::Cart {
                inventory: one(&raw.inventory, "inventory", &[Role::Clusterip, Role::Inventory])?,
                store: one(&raw.store, "store", &[Role::Store])?,
                events: one(&raw.events, "events", &[Role::Events])?,
                workers: whole(&raw.workers, &key("workers"), 1..=65_535, 200, self.sources)? as u32,
            },
            Role::Inventory => Settings::Inventory { database: self.database(raw, key)? },
            Role::Store => Settings::Store {
                appendfsync: choice(&raw.appendfsync, &key("appendfsync"), &APPENDFSYNCS, self.sources)?,
            },
            Role::Events => Settings::Events {
                partitions: whole(&raw.partitions, &key("partitions"), 1..=64, 3, self.sources)? as u16,
            },
        })
    }

    fn rule(
        &self,
        rule: &Spanned<RawRule>,
        key: &dyn Fn(&str) -> String,
        services: &[Role],
    ) -> Result<Rule, PlanError> {
        let raw = rule.get_ref();
        let Some(service) = &raw.service else {
            let remedy = "add service = \"cart-service\"";
            return Err(self.sources.error(&rule.span(), key("rules"), "a rule needs a service", remedy));
        };
        let kind = choice(&raw.kind, &key("rules.type"), &["Prefix", "Exact"], self.sources)?;
        let host = text(&raw.host, "*");
        let path = text(&raw.path, "/");
        for (what, value, fits) in [
            ("rules.path", &path, path.starts_with('/')),
            ("rules.host", &host, !host.is_empty() && !host.contains('/')),
        ] {
            if !fits || value.contains(char::is_whitespace) {
                let remedy = "write path = \"/cart\", host = \"api.myshop.com\" (or \"*.myshop.com\", \"*\")";
                let problem = format!("`{value}` cannot be matched");
                return Err(self.sources.error(&rule.span(), key(what), problem, remedy));
            }
        }
        Ok(Rule { host, kind, path, service: self.reference(service, &key("rules.service"), services)? })
    }

    /// `sqlite:FILE` below the run folder's data, or a PostgreSQL that runs; a program of the user's may
    /// understand other URLs.
    fn database(&self, raw: &RawHop, key: &dyn Fn(&str) -> String) -> Result<String, PlanError> {
        let database = text(&raw.database, "sqlite:inventory.db");
        let scheme = database.split_once(':').filter(|(_, rest)| !rest.is_empty()).map(|(scheme, _)| scheme);
        let ours = matches!(scheme, Some("sqlite" | "postgres" | "postgresql"));
        if ours || (scheme.is_some() && raw.command.is_some()) {
            return Ok(database);
        }
        let span = raw.database.as_ref().map_or(0..0, Spanned::span);
        let remedy = "write sqlite:FILE, a file in the run folder, or postgres://USER@IP:PORT/DATABASE; other databases need a `command` that speaks to them";
        Err(self.sources.error(&span, key("database"), format!("`{database}` is no database here"), remedy))
    }

    /// The hop that a name stands for, which must have one of the `roles`.
    fn reference(&self, name: &Spanned<String>, key: &str, roles: &[Role]) -> Result<HopId, PlanError> {
        let text = name.get_ref().as_str();
        let found = self.hops.iter().position(|(other, ..)| *other == text);
        let fitting =
            || self.hops.iter().filter(|(_, role, ..)| roles.contains(role)).map(|(name, ..)| *name);
        let list = fitting().collect::<Vec<_>>().join(", ");
        let refuse = |problem: String, remedy: String| self.sources.error(&name.span(), key, problem, remedy);
        match found {
            Some(index) if roles.contains(&self.hops[index].1) => Ok(HopId(index)),
            Some(index) => {
                let problem = format!("`{text}` has role {}, which cannot stand here", self.hops[index].1);
                Err(refuse(problem, format!("name one of: {list}")))
            }
            None => {
                let remedy = match closest(text, fitting()) {
                    Some(meant) => format!("did you mean `{meant}`? Hops that can stand here: {list}"),
                    None => format!("name one of: {list}; or add a table [hop.{text}]"),
                };
                Err(refuse(format!("there is no hop `{text}`"), remedy))
            }
        }
    }
}
