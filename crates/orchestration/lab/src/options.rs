//! How a lab is started.

use std::path::Path;

use plan::{Config, Plan, PlanError};

/// How a lab is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the plan comes from.
    pub config: Config,
    /// Changes to it, as `--set` takes them.
    pub sets: Vec<String>,
    /// Programs in the place of hops, as `--swap` takes them.
    pub swaps: Vec<String>,
    /// Build the hops first, where that is possible.
    pub build: bool,
    /// The name of a test that gets ports and a folder of its own.
    pub test: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { config: Config::Found, sets: Vec::new(), swaps: Vec::new(), build: true, test: None }
    }
}

impl Options {
    /// The default stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// The default stack for a test: with free ports, a folder of its own, and a turn among the labs that
    /// run at once, so that any number of tests can run side by side. `name` is letters, digits and `-`.
    ///
    /// What is set afterwards is set in addition. When the lab is stopped, its folder is removed; when the
    /// test fails before, it is kept, and its path is printed.
    pub fn for_test(name: &str) -> Self {
        Options { test: Some(name.to_owned()), ..Self::default() }
    }

    /// A plan's text instead of a file.
    pub fn config(mut self, text: impl Into<String>) -> Self {
        self.config = Config::Text(text.into());
        self
    }

    /// One `--set`.
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.sets.push(format!("{key}={value}"));
        self
    }

    /// One `--swap`.
    pub fn swap(mut self, who: &str, command: &str) -> Self {
        self.swaps.push(format!("{who}={command}"));
        self
    }

    /// The lab's name: two labs of one name cannot run at once.
    pub fn name(self, name: &str) -> Self {
        self.set("lab.name", name)
    }

    /// Moves every port, so that labs can run side by side.
    pub fn port_offset(self, offset: u16) -> Self {
        self.set("network.port_offset", offset)
    }

    /// The folder that holds logs and data.
    pub fn state(self, folder: &Path) -> Self {
        let folder = serde_json::Value::from(folder.to_string_lossy());
        self.set("lab.state", folder)
    }

    /// The checked plan.
    ///
    /// # Errors
    /// See [`Plan::load`].
    pub fn plan(&self) -> Result<Plan, PlanError> {
        Plan::load(&self.config, &self.sets, &self.swaps)
    }
}
