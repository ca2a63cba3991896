//! `lab shell`: a shell, or a command, on a host of the running lab's own network.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use plan::{BROWSER_HOST, Role};
use stack::state;

use super::planned;
use crate::arguments::{Global, ShellArguments};
use crate::outcome::Outcome;
use crate::print;

/// Where programs look for the certificate authorities that they believe.
const AUTHORITIES: [&str; 5] =
    ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO"];
/// Where the C library finds the resolver (resolv.conf(5)).
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Becomes the command; only returns when that fails. The host's network is entered already.
pub(crate) fn run(global: &Global, wanted: &ShellArguments) -> anyhow::Result<Outcome> {
    let plan = global.options().plan()?;
    let Some(run) = planned::running(&plan) else {
        bail!(
            "the lab \"{}\" does not run\n  what to do: start it in another terminal: `lab --net real`",
            plan.name
        );
    };
    if run.hosts.is_empty() {
        bail!(
            "the lab \"{}\" runs on loopback, where every program is on this machine\n  what to do: `lab curl`; or start \
             it in a network of its own: `lab stop`, `lab --net real`",
            plan.name
        );
    }
    if wanted.host == BROWSER_HOST {
        let resolver = run.hops.iter().find(|hop| hop.role == Role::Resolver.as_str());
        let resolver = resolver.context("a running lab has a resolver")?.listen.ip();
        let file = state::folder(&plan.states(), &plan.name).join("resolv.conf");
        std::fs::write(&file, format!("nameserver {resolver}\n"))
            .with_context(|| format!("write {}", file.display()))?;
        if let Err(error) = net::private::substitute(&file, Path::new(RESOLV_CONF)) {
            print::note(format_args!("! names are not found here: {RESOLV_CONF}: {error}"));
        }
    }
    net::private::keep_rights().context("keep the rights in this network")?;
    let shell = || std::env::var_os("SHELL").unwrap_or_else(|| OsString::from("/bin/sh"));
    let (program, arguments) = match wanted.words.split_first() {
        Some((program, arguments)) => (OsString::from(program), arguments),
        None => (shell(), &[][..]),
    };
    let authority = plan.certs_folder().join("ca.pem");
    let mut command = Command::new(&program);
    command.args(arguments).env("LAB_HOST", &wanted.host).envs(AUTHORITIES.map(|name| (name, &authority)));
    let error = command.exec();
    Err(error).with_context(|| format!("run {}", program.display()))
}
