//! Recipes: real programs that fit a slot, with the settings that make them fit.
//!
//! They lie in `recipes/` at the top of the workspace, one folder each, and are built into this program.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

use crate::escape::Escape;
use crate::role::Role;
use crate::{programs, words};

/// Every file below `recipes/`, as it was at build time.
macro_rules! files {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../../../recipes/", $file)))),*]
    };
}
const FILES: [(&str, &str); 41] = files![
    "cart/spring-boot/Background.java",
    "cart/spring-boot/CartApplication.java",
    "cart/spring-boot/CartController.java",
    "cart/spring-boot/Carts.java",
    "cart/spring-boot/Event.java",
    "cart/spring-boot/Events.java",
    "cart/spring-boot/Idempotency.java",
    "cart/spring-boot/Inventory.java",
    "cart/spring-boot/Problem.java",
    "cart/spring-boot/Problems.java",
    "cart/spring-boot/ServerTiming.java",
    "cart/spring-boot/Tokens.java",
    "cart/spring-boot/TraceContext.java",
    "cart/spring-boot/application.properties",
    "cart/spring-boot/pom.xml",
    "cart/spring-boot/recipe.toml",
    "cart/spring-boot/run",
    "clusterip/haproxy/haproxy.cfg",
    "clusterip/haproxy/recipe.toml",
    "dns/nsd/nsd.conf",
    "dns/nsd/recipe.toml",
    "events/kafka/pom.xml",
    "events/kafka/recipe.toml",
    "events/kafka/run",
    "events/kafka/server.properties",
    "ingress/envoy/envoy.yaml",
    "ingress/envoy/recipe.toml",
    "ingress/haproxy/haproxy.cfg",
    "ingress/haproxy/recipe.toml",
    "ingress/nginx/nginx.conf",
    "ingress/nginx/recipe.toml",
    "ingress/traefik/recipe.toml",
    "ingress/traefik/routes.yaml",
    "ingress/traefik/traefik.yaml",
    "lb/haproxy/haproxy.cfg",
    "lb/haproxy/recipe.toml",
    "lb/nginx/nginx.conf",
    "lb/nginx/recipe.toml",
    "resolver/unbound/recipe.toml",
    "resolver/unbound/unbound.conf",
    "store/redis-server/recipe.toml",
];

/// A real program that can play a role.
#[derive(Debug, PartialEq)]
pub struct Recipe {
    /// The slot that it is for.
    pub role: Role,
    /// As `--swap` and `recipe =` take it.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: String,
    /// What the lab cannot do with it; empty when there is nothing.
    pub limits: String,
    /// What must be installed.
    pub program: String,
    /// The command that installs it on Debian.
    pub install: String,
    /// How it is started: its words, with `{NAMES}`.
    pub(crate) command: Vec<String>,
    /// Written into its data folder, filled in; the first is `{CONFIG}`.
    pub files: Vec<(String, &'static str)>,
    /// How values are escaped within double quotes in its files.
    pub(crate) escape: Escape,
    /// Does it send spans, so that the lab waits for them?
    pub(crate) reports: bool,
    /// How a resolver's cache is emptied.
    pub(crate) flush: Option<Vec<String>>,
    /// How long it may take until it is ready, where the plan's own limit is too short.
    pub(crate) ready: Duration,
    /// How long it may take to end, where the plan's own limit is too short.
    pub(crate) drain: Duration,
}

impl Recipe {
    /// Where its program is; `None` when it is not installed.
    pub fn installed(&self) -> Option<PathBuf> {
        programs::find(&self.program)
    }
}

/// A `recipe.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    about: String,
    #[serde(default)]
    limits: String,
    program: String,
    install: String,
    command: String,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    escape: Escape,
    #[serde(default)]
    reports: bool,
    flush: Option<String>,
    #[serde(default)]
    ready_seconds: u64,
    #[serde(default)]
    drain_seconds: u64,
}

/// All of them, in the order in which a request meets their roles.
pub fn all() -> &'static [Recipe] {
    static ALL: LazyLock<Vec<Recipe>> = LazyLock::new(|| {
        let mut all: Vec<Recipe> = FILES
            .iter()
            .filter_map(|(path, text)| {
                let folder = path.strip_suffix("/recipe.toml")?;
                Some(read(folder, text).unwrap_or_else(|error| panic!("recipes/{path}: {error}")))
            })
            .collect();
        all.sort_by_key(|recipe| (recipe.role, recipe.name));
        all
    });
    &ALL
}

/// Those that fit a role.
pub fn of(role: Role) -> impl Iterator<Item = &'static Recipe> {
    all().iter().filter(move |recipe| recipe.role == role)
}

/// The one of this name that fits a role.
pub fn find(role: Role, name: &str) -> Option<&'static Recipe> {
    of(role).find(|recipe| recipe.name == name)
}

/// The names of those that fit a role, for a sentence.
pub(crate) fn names(role: Role) -> String {
    let names: Vec<&str> = of(role).map(|recipe| recipe.name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Is this meant to be a recipe's name? A single word is, unless it is a program that is there.
pub(crate) fn is_meant(role: Role, typed: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if typed.is_empty() || !typed.bytes().all(plain) {
        return false;
    }
    let known = all().iter().any(|recipe| recipe.name == typed);
    find(role, typed).is_some() || known || programs::find(typed).is_none()
}

fn read(folder: &'static str, text: &str) -> Result<Recipe, String> {
    let raw: Raw = toml::from_str(text).map_err(|error| error.to_string())?;
    let (role, name) = folder.split_once('/').ok_or("expected ROLE/NAME")?;
    let file = |file: String| {
        let path = format!("{folder}/{file}");
        let found = FILES.iter().find(|(other, _)| *other == path);
        found.map(|(_, text)| (file, *text)).ok_or_else(|| format!("there is no {path}"))
    };
    Ok(Recipe {
        role: role.parse().map_err(|()| format!("there is no role {role}"))?,
        name,
        about: raw.about,
        limits: raw.limits,
        program: raw.program,
        install: raw.install,
        command: words::split(&raw.command)?,
        files: raw.files.into_iter().map(file).collect::<Result<_, _>>()?,
        escape: raw.escape,
        reports: raw.reports,
        flush: raw.flush.as_deref().map(words::split).transpose()?,
        ready: Duration::from_secs(raw.ready_seconds),
        drain: Duration::from_secs(raw.drain_seconds),
    })
}
