//! What a program is told: its environment, the same for our own hops and for whatever replaces one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::checked::{LAB_ADDRESS, NetworkMode, Plan};
use crate::escape::Escape;
use crate::hop::{Hop, HopId, Runs, Settings};
use crate::role::Role;
use crate::{programs, workspace};

mod routes;
pub(crate) mod template;

use routes::{Route, routes};

/// The file in a lab's folder with the secret that admin and control requests which change something demand.
pub const SECRET: &str = "secret";

/// What a program's environment needs beyond the plan: where this run keeps its things.
#[derive(Clone, Debug)]
pub struct RunContext {
    /// The run folder, an absolute path.
    pub run: PathBuf,
    /// The folder with certificates and keys, an absolute path.
    pub certs: PathBuf,
    /// The collector's URL.
    pub collector: String,
}

impl RunContext {
    /// The folder that a hop may fill. A program of the user's gets another than ours in the same
    /// place: neither must find the other's files.
    pub fn data(&self, hop: &Hop) -> PathBuf {
        let folder = match (&hop.runs, hop.recipe) {
            (Runs::Command(_), Some(recipe)) => format!("{}-{}", hop.name, recipe.name),
            (Runs::Command(_), None) => format!("{}-swapped", hop.name),
            (Runs::Own | Runs::External(_), _) => hop.name.clone(),
        };
        self.run.join("data").join(folder)
    }

    /// The copy of a zone file that a name server reads.
    pub fn zone(&self, file: &Path) -> PathBuf {
        self.run.join("zones").join(file.file_name().unwrap_or_default())
    }
}

impl Plan {
    /// The variables that the lab sets for a hop. lab.toml's own come last and win.
    pub fn environment(&self, hop: &Hop, context: &RunContext) -> BTreeMap<String, String> {
        let mut env = BTreeMap::new();
        let mut set = |key: &str, value: String| env.insert(key.to_owned(), value);
        set("OTEL_SERVICE_NAME", hop.name.clone());
        set("OTEL_EXPORTER_OTLP_ENDPOINT", context.collector.clone());
        if self.mode == NetworkMode::Real {
            set("LOCAL_NETWORKS", self.networks());
        }
        set("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf".to_owned());
        set("OTEL_TRACES_SAMPLER", self.telemetry.sampler.clone());
        set("OTEL_TRACES_SAMPLER_ARG", self.telemetry.outside_per_second.to_string());
        if self.recorder(hop).is_some() {
            set("FLIGHT_RECORDER", self.telemetry.flight_recorder.to_string());
        }
        set("OTEL_BSP_SCHEDULE_DELAY", self.telemetry.delay_ms.to_string());
        set("RUST_LOG", self.telemetry.log.clone());
        set("DRAIN_SECONDS", self.drain_limit(hop).as_secs().to_string());
        set("DATA_DIR", text(&context.data(hop)));
        set("LISTEN", hop.listen.to_string());
        if let Some(admin) = hop.admin {
            set("ADMIN", admin.to_string());
            set("ADMIN_SECRET_FILE", text(&context.run.join(SECRET)));
        }
        if matches!(hop.runs, Runs::Command(_)) {
            set("PATH", programs::search_path().to_string_lossy().into_owned());
            set("DOWNLOADS", text(&workspace::downloads()));
        }
        for (key, value) in self.role_environment(&hop.settings, context) {
            set(key, value);
        }
        for (key, value) in &hop.env {
            set(key, value.clone());
        }
        env
    }

    /// Every address of the plan's own network, each as a network.
    fn networks(&self) -> String {
        let addresses = self.hosts().into_values().flatten().chain([LAB_ADDRESS]);
        let networks: Vec<String> = addresses.map(|address| format!("{address}/32")).collect();
        networks.join(",")
    }

    /// Where a hop's flight recorder is asked, if it has one: those of our programs that see no trace context.
    pub fn recorder(&self, hop: &Hop) -> Option<SocketAddr> {
        let without_context =
            matches!(hop.role(), Role::Dns | Role::Resolver | Role::Clusterip | Role::Store | Role::Events);
        let own = hop.runs == Runs::Own && hop.reports;
        // Whoever sets it for one hop means that.
        let overridden = hop.env.iter().any(|(key, _)| key == "FLIGHT_RECORDER");
        let keeps = without_context && own && !overridden && self.telemetry.flight_recorder > 0;
        hop.admin.filter(|_| keeps)
    }

    fn role_environment(&self, settings: &Settings, context: &RunContext) -> Vec<(&'static str, String)> {
        let addresses = |ids: &[HopId]| {
            let list: Vec<String> = ids.iter().map(|id| self.hop(*id).listen.to_string()).collect();
            list.join(",")
        };
        let identity = |name: &str| {
            let file = |end: &str| text(&context.certs.join(format!("{name}.{end}")));
            [("TLS_CERT", file("pem")), ("TLS_KEY", file("key"))]
        };
        match settings {
            Settings::Dns { zones } => {
                let zones =
                    zones.iter().map(|(name, file)| format!("{name}={}\n", text(&context.zone(file))));
                vec![("ZONES", zones.collect())]
            }
            Settings::Resolver { roots, doh } => {
                let ips: Vec<String> = roots.iter().map(|id| self.hop(*id).listen.ip().to_string()).collect();
                let port = roots.first().map_or(53, |id| self.hop(*id).listen.port());
                let mut env = vec![
                    ("ROOTS", ips.join(",")),
                    ("NAME_SERVER_PORT", port.to_string()),
                    ("DOH_LISTEN", doh.to_string()),
                    ("NAME_SERVERS", self.name_servers()),
                ];
                env.extend(identity("resolver"));
                env
            }
            Settings::Lb { upstreams, balance } => {
                let mut env = vec![("UPSTREAMS", addresses(upstreams)), ("BALANCE", balance.clone())];
                env.extend(identity("lb"));
                env
            }
            Settings::Ingress { rules, default } => {
                let mut lines = String::new();
                for rule in rules {
                    let service = self.hop(rule.service);
                    let _ = writeln!(
                        lines,
                        "{} {} {} {}={}",
                        rule.host, rule.kind, rule.path, service.name, service.listen
                    );
                }
                let mut patterns = String::new();
                for Route { host, path, service } in routes(rules, *default) {
                    let _ = writeln!(patterns, "{host} {path} {}", self.hop(service).listen);
                }
                let mut env = vec![("RULES", lines), ("ROUTES", patterns)];
                if let Some(default) = default {
                    let service = self.hop(*default);
                    env.push(("DEFAULT_BACKEND", format!("{}={}", service.name, service.listen)));
                }
                env
            }
            Settings::Clusterip { endpoints, mode } => {
                vec![("ENDPOINTS", addresses(endpoints)), ("MODE", mode.clone())]
            }
            Settings::Cart { inventory, store, events, workers } => vec![
                ("INVENTORY_URL", format!("http://{}", self.hop(*inventory).listen)),
                ("REDIS_URL", self.url(*store, "redis")),
                ("KAFKA_URL", self.url(*events, "kafka")),
                ("JWT_PUBLIC_KEY", text(&context.certs.join("jwt.pub"))),
                ("WORKERS", workers.to_string()),
            ],
            Settings::Inventory { database } => {
                let database = match database.strip_prefix("sqlite:") {
                    Some(file) => format!("sqlite:{}", text(&context.run.join("data").join(file))),
                    None => database.clone(),
                };
                vec![("DATABASE_URL", database)]
            }
            Settings::Store { appendfsync } => vec![("APPENDFSYNC", appendfsync.clone())],
            Settings::Events { partitions } => vec![("PARTITIONS", partitions.to_string())],
        }
    }

    /// Every zone and who serves it, a line each.
    fn name_servers(&self) -> String {
        let mut lines = String::new();
        for (_, hop) in self.hops() {
            if let Settings::Dns { zones } = &hop.settings {
                for (zone, _) in zones {
                    let _ = writeln!(lines, "{zone} {}", hop.listen);
                }
            }
        }
        lines
    }

    /// An external program's own URL (it may hold a password and a database), or its address.
    fn url(&self, id: HopId, scheme: &str) -> String {
        let hop = self.hop(id);
        match &hop.runs {
            Runs::External(url) if url.contains("://") => url.replace("localhost", "127.0.0.1"),
            _ => format!("{scheme}://{}", hop.listen),
        }
    }
}

/// Fills `{NAME}` in a word of a command: every variable of the hop's environment, and `{IP}`, `{PORT}`
/// and `{CONFIG}`.
pub fn fill(text: &str, hop: &Hop, env: &BTreeMap<String, String>, context: &RunContext) -> String {
    template::fill(text, |name| template::known(name, &|name: &str| value(name, hop, env, context)))
}

/// The same in a configuration file, which may also have blocks: `{each UPSTREAMS}server {IT};{end}`. Within double
/// quotes values are escaped, as the recipe says.
///
/// # Errors
/// A block that is wrong, or a value that the file cannot hold.
pub fn fill_file(
    text: &str,
    hop: &Hop,
    env: &BTreeMap<String, String>,
    context: &RunContext,
) -> Result<String, String> {
    let escape = hop.recipe.map_or_else(Escape::default, |recipe| recipe.escape);
    template::expand(text, escape, |name| value(name, hop, env, context))
}

fn value(name: &str, hop: &Hop, env: &BTreeMap<String, String>, context: &RunContext) -> Option<String> {
    match name {
        "IP" => Some(hop.listen.ip().to_string()),
        "PORT" => Some(hop.listen.port().to_string()),
        "CONFIG" => {
            let own = hop.config.as_deref().and_then(Path::file_name).map(Path::new);
            let file = own.or_else(|| Some(Path::new(&hop.recipe?.files.first()?.0)))?;
            Some(self::text(&context.data(hop).join(file)))
        }
        name => env.get(name).cloned(),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
