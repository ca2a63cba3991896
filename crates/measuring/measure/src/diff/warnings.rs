//! What makes two sets of runs hard to compare.

use std::collections::BTreeSet;

use super::run::{About, Run, Samples};

/// Where other programs took this much more or less of the machine, the two are hardly comparable.
const BUSIER: f64 = 0.2;
/// Likewise, where programs waited that many times longer for a core.
const WAITED: f64 = 1.5;

pub(super) fn warnings(before: &[Run], after: &[Run]) -> Vec<String> {
    let mut warnings = Vec::new();
    let differs = |what: &str, of: &dyn Fn(&About) -> String| {
        let (left, right) = (distinct(before, of), distinct(after, of));
        (left != right || left.len() > 1).then(|| {
            let shown = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(" or ");
            format!("{what}: {} and {}", shown(&left), shown(&right))
        })
    };
    warnings.extend(differs("the builds differ", &|about| about.build.clone()));
    warnings.extend(differs("the networks differ", &|about| about.network.clone()));
    warnings.extend(differs("the machines differ", &|about| format!("{} cores", about.cores)));
    let hops = |runs: &[Run]| -> BTreeSet<String> {
        runs.iter().flat_map(|run| run.about.hops.iter().cloned()).collect()
    };
    let (left, right) = (hops(before), hops(after));
    let only = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> String {
        these.difference(those).cloned().collect::<Vec<_>>().join(", ")
    };
    match (only(&left, &right), only(&right, &left)) {
        (gone, new) if gone.is_empty() && new.is_empty() => {}
        (gone, new) => warnings.push(format!("the hops differ: only before [{gone}], only after [{new}]")),
    }
    let mean = |runs: &[Run], of: fn(&About) -> f64| {
        runs.iter().map(|run| of(&run.about)).sum::<f64>() / runs.len().max(1) as f64
    };
    let busy = [before, after].map(|runs| mean(runs, |about| about.others_share));
    if (busy[0] - busy[1]).abs() > BUSIER {
        warnings.push(format!(
            "other programs took {:.0} % of the machine before and {:.0} % after: what is slower may be them",
            busy[0] * 100.0,
            busy[1] * 100.0
        ));
    }
    let waited = [before, after].map(|runs| mean(runs, |about| about.waited_per_second));
    if waited[0].max(waited[1]) > WAITED * waited[0].min(waited[1]) + 0.2 {
        warnings.push(format!(
            "the programs waited {:.1} s for a core per second that they ran before, and {:.1} s after: what differs may \
             be the machine",
            waited[0], waited[1]
        ));
    }
    let (cold, warm) = (|run: &Run| run.cold.clone(), |run: &Run| run.warm.clone());
    kind_warnings(&mut warnings, "cold", &samples(before, cold), &samples(after, cold));
    kind_warnings(&mut warnings, "warm", &samples(before, warm), &samples(after, warm));
    warnings
}

fn distinct(runs: &[Run], of: &dyn Fn(&About) -> String) -> BTreeSet<String> {
    runs.iter().map(|run| of(&run.about)).collect()
}

fn samples(runs: &[Run], of: impl Fn(&Run) -> Option<Samples>) -> Vec<Samples> {
    runs.iter().filter_map(of).collect()
}

fn kind_warnings(warnings: &mut Vec<String>, kind: &str, before: &[Samples], after: &[Samples]) {
    let (Some(one), Some(other)) = (before.first(), after.first()) else { return };
    let (one, other) = (&one.about, &other.about);
    if one.rate != other.rate {
        let said = |rate: Option<u64>| match rate {
            None => "one after the other".to_owned(),
            Some(tenths) => format!("{}.{} per second", tenths / 10, tenths % 10),
        };
        let (one, other) = (said(one.rate), said(other.rate));
        warnings.push(format!("the {kind} requests were sent {one} and {other}"));
    }
    if let (Some(one), Some(other)) = (one.counts, other.counts)
        && one != other
    {
        warnings.push(format!(
            "the {kind} journeys do different things: {one:?} and {other:?} connections opened and re-used, TLS \
             handshakes, DNS queries"
        ));
    }
    for (which, runs) in [("first", before), ("second", after)] {
        let sum = |of: fn(&Samples) -> usize| runs.iter().map(of).sum::<usize>();
        let (journeys, flagged) = (sum(|run| run.totals.len()), sum(|run| run.about.flagged));
        if flagged * 20 > journeys {
            warnings.push(format!(
                "of the {which} side's {journeys} {kind} journeys {flagged} were strange and are in no row"
            ));
        }
        let failed = sum(|run| run.about.failed);
        if failed > 0 {
            warnings
                .push(format!("{failed} {kind} requests of the {which} side failed and are in no figure"));
        }
    }
}
