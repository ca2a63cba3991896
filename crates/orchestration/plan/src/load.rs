//! From the text of lab.toml to a checked plan: read, changed by `--set` and `--swap`, parsed, checked.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;

use crate::checked::Plan;
use crate::error::{PlanError, Sources};
use crate::{check, keys, overrides, raw, swaps, workspace};

/// The plan that is used where no lab.toml is found: the one in the workspace, as it was at build time.
pub const DEFAULT: &str = include_str!("../../../../lab.toml");

/// Where a plan's text comes from.
#[derive(Clone, Debug, Default)]
pub enum Config {
    /// `./lab.toml`, else the workspace's, else [`DEFAULT`].
    #[default]
    Found,
    /// A path as it was typed: from the current folder.
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
        let spans = keys::spans(&document);
        let deserializer = toml::Deserializer::from(toml::Spanned::new(span, document));
        let raw = raw::Raw::deserialize(deserializer);
        let mut raw = raw.map_err(|error| wrong_type(&error, &spans, &sources))?;
        swaps::swap(&mut raw, swaps, &mut sources)?;
        check::plan(raw, &sources, label, folder)
    }
}

/// Reads a plan's text: what to call it, the text, and where relative paths start.
fn read(config: &Config) -> Result<(String, String, PathBuf), PlanError> {
    let found = match config {
        Config::Text(text) => {
            return Ok(("the plan".to_owned(), text.clone(), workspace::root().unwrap_or_default()));
        }
        Config::File(path) => Some(path.clone()),
        Config::Found => {
            let here = PathBuf::from("lab.toml");
            let there = workspace::root().map(|root| root.join("lab.toml"));
            Some(here).filter(|path| path.is_file()).or(there.filter(|path| path.is_file()))
        }
    };
    let Some(path) = found else {
        return Ok(("the built-in lab.toml".to_owned(), DEFAULT.to_owned(), PathBuf::new()));
    };
    let label = workspace::shown(&path);
    let text = std::fs::read_to_string(&path).map_err(|error| PlanError {
        location: label.clone(),
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

/// `spans` says which key each value belongs to.
fn wrong_type(
    error: &toml::de::Error,
    spans: &[(std::ops::Range<usize>, String)],
    sources: &Sources,
) -> PlanError {
    let span = error.span().unwrap_or(0..0);
    let around = spans.iter().filter(|(value, _)| value.start <= span.start && span.start < value.end);
    let key = around.min_by_key(|(value, _)| value.len()).map_or("", |(_, key)| key);
    let problem =
        error.message().replace('\n', ", ").replace("i64", "a whole number").replace("f64", "a number");
    let remedy = "give the value the type that is expected: \"text\", 42, 0.5, true, or [\"a\", \"b\"]";
    sources.error(&span, key, problem, remedy)
}
