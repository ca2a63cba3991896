//! `lab compare`: two variants, started in turn, until enough is known of their difference.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use hop::clock;
use journey::Design;
use measure::diff::{Diff, Run, diff, needed};
use measure::{Measured, Series};

use super::starts::Starts;
use crate::arguments::{CompareArguments, Global};
use crate::outcome::{Misuse, Outcome};
use crate::print;

/// So many pairs of runs tell how many it takes.
const PILOT: usize = 6;
/// Journeys of each kind in a run, unless something else is typed.
const JOURNEYS: usize = 100;

pub(crate) async fn run(
    before: &Global,
    global: &Global,
    wanted: &CompareArguments,
) -> anyhow::Result<Outcome> {
    let options = wanted.load.options(JOURNEYS)?;
    let (a, b) = (before.options().plan()?, global.options().plan()?);
    if a == b {
        return Err(Misuse(
            "both variants are the same plan\n  what to do: say behind `compare` what the second one has: --swap, --set or \
             --config"
                .to_owned(),
        )
        .into());
    }
    print::note(format_args!("A: {}", described(before, &a.source)));
    print::note(format_args!("B: {}", described(global, &b.source)));
    if let Some(folder) = &wanted.out {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let mut starts = Starts::begin(global, &a)?;
    let (begun, mut horizon) = (clock::monotonic(), Horizon::of(wanted));
    let (mut one, mut other): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    while one.len() < horizon.pairs {
        // What the machine does slowly, it does to both of a pair. Which is first is drawn: in a fixed order such as A B B A
        // a burst of load would meet the same side of two pairs, and they would not be independent.
        let order = if rand::random::<bool>() { ['a', 'b'] } else { ['b', 'a'] };
        for which in order {
            let (plan, runs) = if which == 'a' { (&a, &mut one) } else { (&b, &mut other) };
            let Some(measured) = starts.run(plan, &options).await? else { return Ok(Outcome::Interrupted) };
            if let Some(folder) = &wanted.out {
                keep(folder, which, runs.len() + 1, &measured)?;
            }
            runs.push(Run::of(&measured)?);
            let (made, most) = (one.len() + other.len(), 2 * horizon.pairs);
            let about = if horizon.planned { "" } else { "at most " };
            let which = which.to_ascii_uppercase();
            print::note(format_args!("run {made} of {about}{most} ({which}): {}", totals(&measured)));
        }
        let so_far = diff(&one, &other, wanted.verdict.wanted(Design::Paired)).ok();
        if let Some(half) = so_far.and_then(|so_far| so_far.half_width()) {
            print::note(format_args!(
                "  half-width now ± {:.1} %, wanted ± {} %",
                half * 100.0,
                wanted.verdict.enough
            ));
        }
        horizon.plan(&one, &other, clock::since(begun), wanted.verdict.enough / 100.0);
    }
    let design = Design::Planned { pilot: PILOT };
    let compared = diff(&one, &other, wanted.verdict.wanted(design))?;
    if let Some(why) = horizon.not_enough(&compared, wanted.verdict.enough / 100.0) {
        print::note(why);
    }
    super::diff::show(&compared, global, &wanted.verdict)
}

/// How many pairs are made: decided once, after the pilot, by how much they scatter and how long they took, never by what
/// they say.
struct Horizon {
    pairs: usize,
    most: usize,
    time: Option<Duration>,
    planned: bool,
    /// What the pilot asks for.
    needed: Option<usize>,
}

impl Horizon {
    fn of(wanted: &CompareArguments) -> Horizon {
        let time = wanted.time.map(Duration::from_secs_f64);
        Horizon { pairs: wanted.runs, most: wanted.runs, time, planned: false, needed: None }
    }

    /// After each pair.
    fn plan(&mut self, one: &[Run], other: &[Run], took: Duration, enough: f64) {
        let made = one.len();
        if self.time.is_some_and(|time| took >= time) {
            self.pairs = made;
        }
        if made != PILOT || self.planned {
            return;
        }
        self.planned = true;
        self.needed = needed(one, other, enough);
        let in_time = self.time.map_or(usize::MAX, |time| {
            (time.as_secs_f64() / took.as_secs_f64().max(1e-3) * made as f64) as usize
        });
        let wanted = self.needed.unwrap_or(self.most);
        self.pairs = self.pairs.min(wanted).min(in_time).max(made);
        let limit = match self.pairs < wanted {
            true => format!(", and {} are made (--runs, --time)", self.pairs),
            false => String::new(),
        };
        print::note(format_args!("{made} pairs scatter so that it takes {wanted}{limit}"));
    }

    /// Why the interval is wider than wanted, if it is.
    fn not_enough(&self, compared: &Diff, enough: f64) -> Option<String> {
        let half = compared.half_width().filter(|half| *half > enough)?;
        let more = match self.needed {
            Some(needed) if needed > self.pairs => format!("; --runs {needed} would probably do"),
            _ => String::new(),
        };
        Some(format!(
            "the interval is ± {:.1} % of the total, not ± {} %: time or runs were up{more}",
            half * 100.0,
            enough * 100.0
        ))
    }
}

fn described(global: &Global, source: &str) -> String {
    let changes = global.swap.iter().map(|swap| format!("--swap {swap}"));
    let changes = changes.chain(global.set.iter().map(|set| format!("--set {set}")));
    std::iter::once(source.to_owned()).chain(changes).collect::<Vec<_>>().join(" ")
}

fn keep(folder: &Path, which: char, number: usize, measured: &Measured) -> anyhow::Result<()> {
    let path = folder.join(format!("{which}-{number:02}.json"));
    let text = serde_json::to_string_pretty(measured)?;
    std::fs::write(&path, text + "\n").with_context(|| format!("write {}", path.display()))
}

/// The medians of a run.
fn totals(measured: &Measured) -> String {
    let kind = |(kind, series): (&str, &Option<Series>)| {
        let total = series.as_ref()?.summary.as_ref()?.total;
        Some(format!("{kind} p50 {}", report::or_dash(total.p50_ns)))
    };
    let kinds: Vec<String> =
        [("cold", &measured.cold), ("warm", &measured.warm)].into_iter().filter_map(kind).collect();
    kinds.join(", ")
}
