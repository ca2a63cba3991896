//! What must be true of every journey, whatever it took.

#[cfg(test)]
mod broken;

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use journey::{Journey, Part, PartKind, Quality};
use lab::plan::{Plan, Role, Settings};

/// By how much the clock of the parts and the clock of the total may disagree over `total` nanoseconds:
/// a microsecond for reading them, and the 500 ppm by which Linux may slew the one (adjtimex(2)).
pub(crate) fn clocks(total: u64) -> i64 {
    1_000 + i64::try_from(total / 2_000).unwrap_or(i64::MAX)
}

/// All of what follows.
pub(crate) fn sound(journey: &Journey) -> anyhow::Result<()> {
    let all = || {
        unremarkable(journey)?;
        tiled(journey)?;
        handed_on(journey).map(drop)
    };
    all().with_context(|| shown(journey))
}

/// Sealed, answered 201, and nothing about it was strange.
pub(crate) fn unremarkable(journey: &Journey) -> anyhow::Result<()> {
    ensure!(journey.sealed(), "these hops did not report: {:?}", journey.silent);
    // That a shared machine took a core away says nothing about the journey's parts.
    let strange: Vec<_> = journey.anomalies.iter().filter(|anomaly| anomaly.hop != "machine").collect();
    ensure!(strange.is_empty(), "anomalies: {strange:?}");
    ensure!(journey.status == Some(201), "the answer was {:?}", journey.status);
    Ok(())
}

/// The conservation law: parts follow one another without overlap; what lies between them is the
/// browser's, has no name, and is exactly what is called unaccounted.
pub(crate) fn tiled(journey: &Journey) -> anyhow::Result<()> {
    let mut end = 0;
    let mut gaps = 0;
    let mut before: Option<&Part> = None;
    for part in &journey.parts {
        ensure!(
            part.start_ns >= end,
            "{} begins {} ns before its predecessor ends",
            name(part),
            end - part.start_ns
        );
        if part.start_ns > end {
            let inside = before.is_some_and(|before| before.depth > 0) && part.depth > 0;
            ensure!(
                !inside,
                "{} ns before {} are nobody's, and not at the browser",
                part.start_ns - end,
                name(part)
            );
        }
        gaps += part.start_ns - end;
        end = part.start_ns + part.duration_ns;
        before = Some(part);
    }
    let sum = journey.sum(|_| true);
    let accounted = i64::try_from(sum)? + journey.unaccounted_ns;
    ensure!(
        accounted == i64::try_from(journey.total_ns)?,
        "parts and unaccounted make {accounted} ns, the total is {} ns",
        journey.total_ns
    );
    let stages: Duration = journey::Stage::ALL.into_iter().map(|stage| journey.stage(stage).total()).sum();
    ensure!(stages == Duration::from_nanos(sum), "the stages make {stages:?}, the parts {sum} ns");
    let clocks = clocks(journey.total_ns);
    ensure!(journey.unaccounted_ns >= -clocks, "unaccounted is {} ns", journey.unaccounted_ns);
    let (gaps, unaccounted) = (i64::try_from(gaps)?, journey.unaccounted_ns);
    ensure!(gaps <= unaccounted + clocks, "gaps of {gaps} ns, but only {unaccounted} ns are unaccounted");
    Ok(())
}

/// The request is like a baton: a leg `A → B` hands it on, and only who holds it can have time. Returns
/// who held it, in order. A callee's parts are thereby inside its caller's.
pub(crate) fn handed_on(journey: &Journey) -> anyhow::Result<Vec<String>> {
    let first = journey.parts.first().context("a journey has parts")?;
    let mut holders = vec![first.hop.clone()];
    let mut callers: Vec<u16> = vec![first.depth];
    let mut after_opaque = false;
    for part in &journey.parts {
        let leg = (part.kind == PartKind::Leg).then(|| part.name.split_once(" → ")).flatten();
        if let Some((from, _)) = leg.filter(|_| after_opaque) {
            take(&mut holders, from);
        }
        let holder = holders.last().map_or("", String::as_str);
        let next = match leg {
            Some((from, to)) => {
                ensure!(from == holder, "{} begins at {from}, but {holder} has the request", name(part));
                ensure!(to == part.hop, "{} is counted as {}'s", name(part), part.hop);
                to
            }
            // Who reports nothing cannot say when it passed the request on.
            None if untold(part) || after_opaque => &part.hop,
            None => {
                ensure!(part.hop == holder, "{} is {}'s, but {holder} has the request", name(part), part.hop);
                holder
            }
        };
        after_opaque = untold(part);
        // Each call is one deeper than its caller, and ends before its caller goes on.
        callers.retain(|depth| *depth <= part.depth);
        match callers.last() {
            Some(depth) if *depth == part.depth => {}
            Some(depth) if depth + 1 == part.depth => callers.push(part.depth),
            _ => bail!("{} is {} calls deep, its caller {:?}", name(part), part.depth, callers.last()),
        }
        let next = next.to_owned();
        take(&mut holders, &next);
    }
    ensure!(
        holders.last() == holders.first(),
        "{} asked, the response ends at {:?}",
        first.hop,
        holders.last()
    );
    Ok(holders)
}

/// How many messages its way consists of. The number of spans is not the same for equal ways: Redis answers a read that
/// was batched with another client's write after that write's fsync, and says so with spans.
pub(crate) fn legs(journey: &Journey) -> usize {
    journey.parts.iter().filter(|part| part.kind == PartKind::Leg).count()
}

/// Did nobody tell when this part began or ended? So it is of who reports nothing, or a SERVER span alone.
fn untold(part: &Part) -> bool {
    let alone = part.kind == PartKind::Own && part.quality == Quality::Inferred;
    part.kind == PartKind::Opaque || alone
}

fn take(holders: &mut Vec<String>, next: &str) {
    if holders.last().is_none_or(|holder| holder != next) {
        holders.push(next.to_owned());
    }
}

/// The journey's way through the stack, as its plan has it: instances of a role by the role's name,
/// instances that the plan does not allow there by their own.
pub(crate) fn way(journey: &Journey, plan: &Plan) -> anyhow::Result<Vec<String>> {
    let holders = handed_on(journey)?;
    let mut way: Vec<String> = Vec::new();
    for (at, holder) in holders.iter().enumerate() {
        let role = plan.find(holder).map(lab::plan::Hop::role);
        let word = match role {
            Some(role @ (Role::Cart | Role::Inventory)) => {
                let service = at.checked_sub(1).and_then(|before| plan.find(&holders[before]));
                let fits = service.is_some_and(|service| chooses(plan, &service.name, holder));
                let returns = way.iter().any(|word| word == role.as_str());
                if fits || returns { role.as_str().to_owned() } else { holder.clone() }
            }
            _ => holder.clone(),
        };
        way.push(word);
    }
    Ok(way)
}

/// Is `pod` one of the endpoints of `service`?
fn chooses(plan: &Plan, service: &str, pod: &str) -> bool {
    match plan.find(service).map(|hop| &hop.settings) {
        Some(Settings::Clusterip { endpoints, .. }) => endpoints.iter().any(|id| plan.hop(*id).name == pod),
        _ => false,
    }
}

/// Several exchanges with one callee in a row count once: A, B, A, B, A is A, B, A.
pub(crate) fn once(way: &[String]) -> Vec<&str> {
    let mut short: Vec<&str> = Vec::new();
    for word in way {
        short.push(word);
        while let [.., a, b, c, d] = short[..]
            && a == c
            && b == d
        {
            short.truncate(short.len() - 2);
        }
    }
    short
}

/// What these hops did, by the names they gave it; what was waited for before they knew is not theirs.
pub(crate) fn deeds<'a>(journey: &'a Journey, role: &str) -> Vec<&'a str> {
    let queued = |part: &Part| !part.kind.is_own() || part.name == journey::semconv::name::ACCEPT_QUEUE;
    let named = |part: &&Part| part.role == role && !queued(part) && !part.name.is_empty();
    journey.parts.iter().filter(named).map(|part| part.name.as_str()).collect()
}

/// A journey as a person reads it, for a failing test.
pub(crate) fn shown(journey: &Journey) -> String {
    lab::report::journey(journey, "this", lab::report::Style::parts())
}

fn name(part: &Part) -> String {
    match part.name.as_str() {
        "" => format!("{} {}", part.hop, part.kind.as_str()),
        name if part.kind == PartKind::Leg => name.to_owned(),
        name => format!("{}: {name}", part.hop),
    }
}
