//! What each program is started with: its files, its environment, its sockets.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use anyhow::Context as _;
use net::Network;
use plan::{Hop, Plan, Role, RunContext, Runs, fill, fill_file};

use crate::binaries::Binaries;
use crate::state;
use crate::supervise::{INVOCATION_ID, Launch, Readiness, Socket};

/// Writes the files that programs read, and returns what to start, wave by wave.
///
/// # Errors
/// A configuration file cannot be read, or a copy cannot be written.
pub(crate) fn launches(
    plan: &Plan,
    context: &RunContext,
    binaries: &Binaries,
    network: Option<&Network>,
) -> anyhow::Result<Vec<Vec<Launch>>> {
    let started = |hop: &&Hop| !matches!(hop.runs, Runs::External(_));
    let invocation = hop::trace::new_trace_id().to_string();
    let launches = plan.waves().into_iter().map(|wave| {
        let hops = wave.iter().map(|id| plan.hop(*id)).filter(started);
        hops.map(|hop| launch(plan, hop, context, binaries, &invocation, network)).collect()
    });
    launches.collect()
}

fn launch(
    plan: &Plan,
    hop: &Hop,
    context: &RunContext,
    binaries: &Binaries,
    invocation: &str,
    network: Option<&Network>,
) -> anyhow::Result<Launch> {
    let mut env = plan.environment(hop, context);
    env.insert(INVOCATION_ID.to_owned(), invocation.to_owned());
    let data = context.data(hop);
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true);
    if hop.runs == Runs::Own {
        // A foreign program may run as a user of its own.
        make.mode(0o700);
    }
    make.create(&data).with_context(|| format!("create {}", data.display()))?;
    let (program, arguments) = match &hop.runs {
        Runs::Command(words) => {
            write_files(plan, hop, &env, context)?;
            let mut words: Vec<String> = words.iter().map(|word| fill(word, hop, &env, context)).collect();
            (words.remove(0).into(), words)
        }
        Runs::Own | Runs::External(_) => (binaries.path(hop.role()), Vec::new()),
    };
    Ok(Launch {
        name: hop.name.clone(),
        role: hop.role().to_string(),
        program,
        arguments,
        env,
        log: state::log(&context.run, &hop.name),
        host: network.and_then(|network| Some(network.host(&hop.host)?.namespace().clone())),
        sockets: sockets(hop),
        ready: Readiness::of(plan, hop),
        ready_limit: plan.ready_limit(hop),
        drain: plan.drain_limit(hop),
    })
}

/// What a program of ours serves on. A foreign one binds its own sockets, and nobody must hold its port.
fn sockets(hop: &Hop) -> Vec<Socket> {
    if hop.runs != Runs::Own {
        return Vec::new();
    }
    let tcp = hop.binds().into_iter().map(|(name, address)| Socket { name, address, udp: false });
    let dns = hop.role().speaks_dns().then_some(Socket { name: "listen", address: hop.listen, udp: true });
    tcp.chain(dns).collect()
}

/// Writes a recipe's files and the user's configuration file, with what is in braces filled in.
fn write_files(
    plan: &Plan,
    hop: &Hop,
    env: &BTreeMap<String, String>,
    context: &RunContext,
) -> anyhow::Result<()> {
    let write = |name: &Path, text: &str| {
        let to = context.data(hop).join(name);
        let text = fill_file(text, hop, env, context)
            .map_err(anyhow::Error::msg)
            .with_context(|| format!("fill in hop.{}'s file {}", hop.name, name.display()))?;
        std::fs::write(&to, text).with_context(|| format!("write {}", to.display()))
    };
    for (name, text) in hop.recipe.iter().flat_map(|recipe| &recipe.files) {
        write(Path::new(name), text)?;
    }
    let Some(config) = &hop.config else { return Ok(()) };
    let from = plan.folder.join(config);
    let text = std::fs::read_to_string(&from)
        .with_context(|| format!("read hop.{}.config, {}", hop.name, from.display()))?;
    write(Path::new(config.file_name().unwrap_or_default()), &text)
}

/// The command that empties the resolver's cache, if another program than ours plays it and has one.
pub(crate) fn flush(plan: &Plan, context: &RunContext) -> Vec<String> {
    let Some(resolver) = plan.first(Role::Resolver) else { return Vec::new() };
    let env = plan.environment(resolver, context);
    resolver.flush.iter().flatten().map(|word| fill(word, resolver, &env, context)).collect()
}
