//! Before anything starts: the files that programs read, and what each program is started with.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::binaries::Binaries;
use crate::plan::{Hop, Plan, Role, Runs, Settings, Surroundings, fill, fill_file};
use crate::state::Held;
use crate::supervise::{Launch, Readiness, Socket, ports};

/// The zone files as they were at build time, for a lab that runs without its workspace.
const ZONES: [(&str, &str); 3] = [
    ("root.zone", include_str!("../../../hops/dns/zones/root.zone")),
    ("com.zone", include_str!("../../../hops/dns/zones/com.zone")),
    ("myshop.com.zone", include_str!("../../../hops/dns/zones/myshop.com.zone")),
];
/// Where the zone files say the load balancer is.
const ZONE_LB: (&str, &str) = ("127.0.113.50", "port=8443");

/// So many taken addresses are listed.
const SHOWN: usize = 5;
/// How long taken ports may take to become free.
const PORT_PATIENCE: Duration = Duration::from_millis(500);

/// Writes the files that the hops read, and returns what to start, wave by wave.
///
/// # Errors
/// A zone or configuration file cannot be read, or a copy cannot be written.
pub(crate) fn prepare(
    plan: &Plan,
    around: &Surroundings,
    held: &Held,
    binaries: &Binaries,
) -> anyhow::Result<Vec<Vec<Launch>>> {
    let mut copies = BTreeMap::new();
    for (_, hop) in plan.hops() {
        if let Settings::Dns { zones } = &hop.settings {
            for (_, file) in zones {
                copy_zone(plan, file, &around.zone(file), &mut copies)
                    .with_context(|| format!("prepare the zone file of hop.{}", hop.name))?;
            }
        }
    }
    let mut waves = Vec::new();
    for wave in plan.waves() {
        let hops = wave.iter().map(|id| plan.hop(*id)).filter(|hop| !matches!(hop.runs, Runs::External(_)));
        let launches = hops.map(|hop| launch(plan, hop, around, held, binaries));
        waves.push(launches.collect::<anyhow::Result<Vec<_>>>()?);
    }
    Ok(waves)
}

/// How a hop's readiness is told.
pub(crate) fn readiness(hop: &Hop) -> Readiness {
    Readiness {
        admin: hop.admin,
        listen: hop.listen,
        dns: hop.role().speaks_dns(),
        own: hop.runs == Runs::Own,
    }
}

fn launch(
    plan: &Plan,
    hop: &Hop,
    around: &Surroundings,
    held: &Held,
    binaries: &Binaries,
) -> anyhow::Result<Launch> {
    let env = plan.environment(hop, around);
    let data = around.data(hop);
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true);
    if hop.runs == Runs::Own {
        // A foreign program may run as a user of its own.
        make.mode(0o700);
    }
    make.create(&data).with_context(|| format!("create {}", data.display()))?;
    let (program, arguments) = match &hop.runs {
        Runs::Command(words) => {
            write_files(plan, hop, &env, around)?;
            let mut words: Vec<String> = words.iter().map(|word| fill(word, hop, &env, around)).collect();
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
        log: held.log(&hop.name),
        sockets: sockets(hop),
        ready: readiness(hop),
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

/// A recipe's program must be there; the error says which package has it.
pub(crate) fn check_programs(plan: &Plan) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Some(recipe) = hop.recipe.filter(|recipe| recipe.installed().is_none()) else { continue };
        anyhow::bail!(
            "{}: the recipe {} needs {}, which is not installed\n  what to do: apt-get install {}",
            hop.name,
            recipe.name,
            recipe.program,
            recipe.package
        );
    }
    Ok(())
}

/// Writes a recipe's files and the user's configuration file, with what is in braces filled in.
fn write_files(
    plan: &Plan,
    hop: &Hop,
    env: &BTreeMap<String, String>,
    around: &Surroundings,
) -> anyhow::Result<()> {
    let write = |name: &Path, text: &str| {
        let to = around.data(hop).join(name);
        let text = fill_file(text, hop, env, around)
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
pub(crate) fn flush(plan: &Plan, around: &Surroundings) -> Vec<String> {
    let Some(resolver) = plan.first(Role::Resolver) else { return Vec::new() };
    let env = plan.environment(resolver, around);
    resolver.flush.iter().flatten().map(|word| fill(word, resolver, &env, around)).collect()
}

/// Copies a zone file and what it includes; where the plan's load balancer is elsewhere, the copy says so.
/// `copies` says where each file came from: two must not share a place.
fn copy_zone(
    plan: &Plan,
    file: &Path,
    to: &Path,
    copies: &mut BTreeMap<PathBuf, PathBuf>,
) -> anyhow::Result<()> {
    let from = plan.folder.join(file);
    if !from.exists()
        && let Some((_, text)) =
            ZONES.iter().find(|(name, _)| file.file_name().is_some_and(|file| file == *name))
    {
        return write_zone(plan, text.as_bytes(), to);
    }
    let (folder, target) = (from.parent().unwrap_or(Path::new("")), to.parent().unwrap_or(Path::new("")));
    for part in zonefile::files(&from)? {
        let copy = target.join(part.strip_prefix(folder).context("an included file beside the zone file")?);
        match copies.entry(copy.clone()) {
            Entry::Occupied(other) if *other.get() != part => anyhow::bail!(
                "{} and {} would have the same name in the lab's folder\n  what to do: rename one of them",
                other.get().display(),
                part.display()
            ),
            entry => drop(entry.or_insert_with(|| part.clone())),
        }
        let bytes = std::fs::read(&part).with_context(|| format!("read {}", part.display()))?;
        if let Some(folder) = copy.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        write_zone(plan, &bytes, &copy)?;
    }
    Ok(())
}

fn write_zone(plan: &Plan, bytes: &[u8], to: &Path) -> anyhow::Result<()> {
    let bytes = match (plan.first(Role::Lb), std::str::from_utf8(bytes)) {
        (Some(lb), Ok(text)) => text
            .replace(ZONE_LB.0, &lb.listen.ip().to_string())
            .replace(ZONE_LB.1, &format!("port={}", lb.listen.port()))
            .into_bytes(),
        _ => bytes.to_vec(),
    };
    std::fs::write(to, bytes).with_context(|| format!("write {}", to.display()))
}

/// Refuses to start when a port is taken, and says by whom.
pub(crate) async fn check_ports(plan: &Plan) -> anyhow::Result<()> {
    let binds = || {
        plan.hops().flat_map(|(_, hop)| {
            let speaks_dns = hop.role().speaks_dns();
            hop.binds().into_iter().map(move |(key, at)| (hop, key, at, speaks_dns && key == "listen"))
        })
    };
    // Programs that were just killed give their ports back a moment later.
    let freed = hop::wait::until("free ports", PORT_PATIENCE, async || {
        binds().all(|(_, _, address, udp)| ports::is_free(address, udp)).then_some(())
    });
    if freed.await.is_ok() {
        return Ok(());
    }
    let taken: Vec<_> =
        binds().filter_map(|(hop, key, address, udp)| ports::check(&hop.name, key, address, udp)).collect();
    let mut list: Vec<String> = taken.iter().take(SHOWN).map(|taken| format!("  {taken}")).collect();
    if taken.len() > SHOWN {
        list.push(format!("  and {} more; `lab doctor` lists all", taken.len() - SHOWN));
    }
    anyhow::bail!(
        "addresses that cannot be used:\n{}\n  what to do: stop those programs, or move every port of this lab: --set network.port_offset=100",
        list.join("\n")
    )
}

/// A program that somebody else runs must be there before those that ask it.
pub(crate) async fn await_external(plan: &Plan) -> anyhow::Result<()> {
    for (_, hop) in plan.hops() {
        let Runs::External(_) = &hop.runs else { continue };
        let ready = readiness(hop);
        hop::wait::until(format!("hop.{} to answer", hop.name), plan.ready_limit(hop), async || {
            ready.holds().await.then_some(())
        })
        .await
        .with_context(|| {
            let name = &hop.name;
            format!(
                "{name} is external and {}\n  what to do: start it, or remove hop.{name}.external",
                ready.hint()
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
