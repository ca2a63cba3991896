//! Exactly what lab.toml says, before anyone checks whether it makes sense.
//!
//! Every value keeps the span it was read from, so that the check can name the line.

use std::collections::BTreeMap;

use serde::Deserialize;
pub(crate) use toml::Spanned;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Raw {
    #[serde(default)]
    pub(crate) lab: RawLab,
    #[serde(default)]
    pub(crate) network: RawNetwork,
    #[serde(default)]
    pub(crate) shop: RawShop,
    #[serde(default)]
    pub(crate) telemetry: RawTelemetry,
    #[serde(default)]
    pub(crate) supervise: RawSupervise,
    #[serde(default)]
    pub(crate) budget: BTreeMap<Spanned<String>, Spanned<f64>>,
    #[serde(default)]
    pub(crate) hop: BTreeMap<Spanned<String>, RawHop>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLab {
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) state: Option<Spanned<String>>,
    pub(crate) certs: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNetwork {
    pub(crate) mode: Option<Spanned<String>>,
    pub(crate) port_offset: Option<Spanned<i64>>,
    pub(crate) admin_port: Option<Spanned<i64>>,
    pub(crate) control: Option<Spanned<String>>,
    pub(crate) collector: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawShop {
    pub(crate) host: Option<Spanned<String>>,
    pub(crate) user: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTelemetry {
    pub(crate) sampler: Option<Spanned<String>>,
    pub(crate) outside_per_second: Option<Spanned<i64>>,
    pub(crate) flight_recorder: Option<Spanned<i64>>,
    pub(crate) delay_ms: Option<Spanned<i64>>,
    pub(crate) log: Option<Spanned<String>>,
    pub(crate) forward: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSupervise {
    pub(crate) ready_seconds: Option<Spanned<f64>>,
    pub(crate) drain_seconds: Option<Spanned<i64>>,
    pub(crate) probe_seconds: Option<Spanned<f64>>,
}

/// One hop: keys of every role side by side; the check says which belong to which.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHop {
    pub(crate) role: Option<Spanned<String>>,
    pub(crate) listen: Option<Spanned<String>>,
    pub(crate) real: Option<Spanned<String>>,
    pub(crate) host: Option<Spanned<String>>,
    pub(crate) admin: Option<Spanned<String>>,
    pub(crate) command: Option<Spanned<RawCommand>>,
    pub(crate) recipe: Option<Spanned<String>>,
    pub(crate) config: Option<Spanned<String>>,
    pub(crate) external: Option<Spanned<String>>,
    pub(crate) reports: Option<Spanned<bool>>,
    #[serde(default)]
    pub(crate) env: BTreeMap<Spanned<String>, Spanned<RawText>>,
    // dns
    #[serde(default)]
    pub(crate) zones: BTreeMap<Spanned<String>, Spanned<String>>,
    // resolver
    pub(crate) roots: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) doh: Option<Spanned<String>>,
    pub(crate) flush: Option<Spanned<RawCommand>>,
    // lb
    pub(crate) upstreams: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) balance: Option<Spanned<String>>,
    // ingress
    pub(crate) rules: Option<Spanned<Vec<Spanned<RawRule>>>>,
    pub(crate) default: Option<Spanned<String>>,
    // clusterip
    pub(crate) endpoints: Option<Spanned<Vec<Spanned<String>>>>,
    pub(crate) mode: Option<Spanned<String>>,
    // cart
    pub(crate) inventory: Option<Spanned<String>>,
    pub(crate) store: Option<Spanned<String>>,
    pub(crate) events: Option<Spanned<String>>,
    pub(crate) workers: Option<Spanned<i64>>,
    // inventory
    pub(crate) database: Option<Spanned<String>>,
    // store
    pub(crate) appendfsync: Option<Spanned<String>>,
    // events
    pub(crate) partitions: Option<Spanned<i64>>,
}

/// An ingress rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRule {
    pub(crate) host: Option<Spanned<String>>,
    pub(crate) path: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub(crate) kind: Option<Spanned<String>>,
    pub(crate) service: Option<Spanned<String>>,
}

/// A command as one line, or as its words.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a command line, or an array of its words")]
pub(crate) enum RawCommand {
    Line(String),
    Words(Vec<String>),
}

/// A text; numbers and booleans are taken as they are written.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "expected a string, a number or true/false")]
pub(crate) enum RawText {
    Text(String),
    Whole(i64),
    Decimal(f64),
    Truth(bool),
}

impl std::fmt::Display for RawText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RawText::Text(text) => f.write_str(text),
            RawText::Whole(number) => number.fmt(f),
            RawText::Decimal(number) => number.fmt(f),
            RawText::Truth(truth) => truth.fmt(f),
        }
    }
}
