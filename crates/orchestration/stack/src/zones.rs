//! Zone files: copied into the lab's folder, with what they include, for name servers that read them there.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use plan::{Hop, Plan, Role, RunContext, Settings};

/// The zone files as they were at build time, for a lab that runs without its workspace.
const ZONES: [(&str, &str); 3] = [
    ("root.zone", include_str!("../../../hops/dns/zones/root.zone")),
    ("com.zone", include_str!("../../../hops/dns/zones/com.zone")),
    ("myshop.com.zone", include_str!("../../../hops/dns/zones/myshop.com.zone")),
];
/// Where the zone files say the load balancer is.
const ZONE_LB: (&str, &str) = ("127.0.113.50", "port=8443");

/// Copies every zone file of the plan.
///
/// # Errors
/// One cannot be read or written, or two files that are included would have the same name.
pub(crate) fn copy(plan: &Plan, context: &RunContext) -> anyhow::Result<()> {
    let mut copies = BTreeMap::new();
    for (_, hop) in plan.hops() {
        let Settings::Dns { zones } = &hop.settings else { continue };
        for (_, file) in zones {
            copy_zone(plan, file, &context.zone(file), &mut copies)
                .with_context(|| format!("prepare the zone file of hop.{}", hop.name))?;
        }
    }
    Ok(())
}

/// Copies a zone file and what it includes; where the plan's load balancer is elsewhere, the copy says so.
/// `copies` says where each file came from: two must not have the same.
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
        (Some(lb), Ok(text)) => {
            moved(plan, lb, text).replace(ZONE_LB.1, &format!("port={}", lb.listen.port())).into_bytes()
        }
        _ => bytes.to_vec(),
    };
    std::fs::write(to, bytes).with_context(|| format!("write {}", to.display()))
}

/// The text with the addresses that the plan's hops have in its network; the load balancer may be anywhere.
fn moved(plan: &Plan, lb: &Hop, text: &str) -> String {
    let addresses = plan.hops().map(|(_, hop)| (hop.loopback.ip().to_string(), hop.listen.ip().to_string()));
    let lb = (ZONE_LB.0.to_owned(), lb.listen.ip().to_string());
    let moved: BTreeMap<String, String> = addresses.filter(|(from, to)| from != to).chain([lb]).collect();
    let is_address = |character: char| character.is_ascii_digit() || character == '.';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begins) = rest.find(is_address) {
        let (before, from) = rest.split_at(begins);
        let ends = from.find(|character| !is_address(character)).unwrap_or(from.len());
        let (word, after) = from.split_at(ends);
        out.push_str(before);
        out.push_str(moved.get(word).map_or(word, String::as_str));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests;
