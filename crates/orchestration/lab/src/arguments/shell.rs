//! `lab shell`: where, and what.

use clap::Args;

/// Shown below the options.
pub(super) const SHELL: &str = "\
The user's own host knows the lab's resolver and its certificate authority, so programs work there as they
would on the internet:
  lab shell -- curl -i https://api.myshop.com/cart
  lab shell -- dig api.myshop.com
  lab shell --in node -- ss -tlnp        the ingress and both Services; every other program is a host's only one";

/// On which host what is run.
#[derive(Args, Clone, Debug)]
pub(crate) struct ShellArguments {
    /// The host: the user's own, or as lab.toml has it in `host`, else the program's name
    #[arg(long = "in", value_name = "HOST", default_value = plan::BROWSER_HOST)]
    pub(crate) host: String,
    /// What is run instead of $SHELL
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) words: Vec<String>,
}
