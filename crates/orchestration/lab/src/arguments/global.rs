//! What every command takes: which plan, with which changes, and how the result is written.

use std::path::PathBuf;

use clap::Args;
use plan::Config;
use report::Style;

use crate::options::Options;
use crate::print;

/// Options of every command.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Every command")]
pub(crate) struct Global {
    /// The plan [default: ./lab.toml, else the workspace's, else the one built in]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Change a key of the plan, such as hop.lb.balance=round-robin; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Start another program in the place of a hop, or of all hops of a role: a recipe (`lab recipes`), or a
    /// command of your own, in which {LISTEN}, {IP}, {PORT}, {DATA_DIR} and every variable of its environment
    /// are filled in; may be repeated
    #[arg(long, value_name = "NAME_OR_ROLE=RECIPE_OR_COMMAND")]
    pub(crate) swap: Vec<String>,
    /// The network that the programs meet in: loopback, or real (network.mode)
    #[arg(long, value_name = "MODE")]
    pub(crate) net: Option<String>,
    /// Print results as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Open the rows of tables into their parts: programs at work, bytes under way, waits
    #[arg(long)]
    pub(crate) parts: bool,
    /// Do not build the hops first
    #[arg(long)]
    pub(crate) no_build: bool,
}

impl Global {
    /// Options may stand before the command and behind it; what is behind it comes later.
    pub(super) fn and(mut self, later: &Global) -> Self {
        self.config = later.config.clone().or(self.config);
        self.net = later.net.clone().or(self.net);
        self.set.extend(later.set.iter().cloned());
        self.swap.extend(later.swap.iter().cloned());
        self.json |= later.json;
        self.parts |= later.parts;
        self.no_build |= later.no_build;
        self
    }

    /// How tables are written to standard output.
    pub(crate) fn style(&self) -> Style {
        Style { parts: self.parts, colour: print::is_coloured() }
    }

    pub(crate) fn options(&self) -> Options {
        let mode = self.net.iter().map(|mode| format!("network.mode={mode}"));
        Options {
            config: self.config.clone().map_or(Config::Found, Config::File),
            sets: mode.chain(self.set.iter().cloned()).collect(),
            swaps: self.swap.clone(),
            build: !self.no_build,
            ..Options::default()
        }
    }
}
