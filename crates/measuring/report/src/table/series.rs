//! Many journeys in one table: every row with its percentiles, and where the time of usual and of slow
//! journeys went.

use std::fmt::Write as _;

use journey::{CountsShared, Decomposition, Decompositions, PartSummary, Percentiles, Stage, Summary};
use measure::Series;
use measure::open_loop::OpenLoop;

use super::after;
use crate::format::{WHERE, counts, fit, or_dash, percentiles, row_label, too_few};

/// So many flagged journeys are named, and so many different counts.
const NAMED: usize = 5;

/// The table of a series of which at least one journey is clean.
pub(super) fn table(out: &mut String, kind: &str, series: &Series, summary: &Summary) {
    let name = series.journeys.first().map_or("", |journey| journey.name.as_str());
    let _ = writeln!(out, "{name}   {kind}   {} journeys", summary.journeys);
    totals(out, kind, summary);
    let unaccounted = summary.unaccounted_p50_ns.map_or_else(|| "–".to_owned(), signed);
    let _ = writeln!(out, "  unaccounted: p50 {unaccounted} ms");
    if let Some(open_loop) = &series.open_loop {
        self::open_loop(out, open_loop);
    }
    rows(out, summary);
    after::of_many(out, &series.journeys);
    shared(out, &summary.counts);
    flagged(out, series, summary.flagged);
}

/// What stands below the chapter's rows of many journeys.
pub(super) fn below(out: &mut String, kind: &str, series: &Series) {
    let mut text = String::new();
    match &series.summary {
        Some(summary) => {
            totals(&mut text, kind, summary);
            if let Some(open_loop) = &series.open_loop {
                self::open_loop(&mut text, open_loop);
            }
            shared(&mut text, &summary.counts);
            flagged(&mut text, series, summary.flagged);
        }
        None => {
            let _ = writeln!(text, "none of {} {kind} journeys could be used", series.journeys.len());
            flagged(&mut text, series, series.flagged.len());
        }
    }
    out.push_str(&fit(&text));
}

/// How long they took, and of how many that is said.
fn totals(out: &mut String, kind: &str, summary: &Summary) {
    let Summary { journeys, total, undisturbed, flagged, disturbed, .. } = summary;
    let all = if total.count == *journeys { "journeys" } else { "requests" };
    let _ = writeln!(out, "{kind}, total of {} {all}: {}", total.count, percentiles(total));
    if total.count != *journeys || *flagged > 0 {
        let _ = writeln!(out, "  rows: of {} journeys that were recorded whole", journeys - flagged);
    }
    if *disturbed > 0 {
        let _ = writeln!(
            out,
            "  {disturbed} of {journeys} were disturbed (a hypervisor took a core, or packets were lost) and count; the {} \
             undisturbed: {}",
            undisturbed.count,
            percentiles(undisturbed)
        );
    }
    let why = too_few(total.count, &[50.0, 90.0, 99.0]);
    if !why.is_empty() {
        let _ = writeln!(out, "  {why}");
    }
}

/// Requests that are in no figure, and journeys that are in no row.
pub(super) fn flagged(out: &mut String, series: &Series, all: usize) {
    if let Some(first) = &series.failures.first {
        let _ = writeln!(out, "  ! {} more requests failed; the first: {first}", series.failures.count);
    }
    for flagged in series.flagged.iter().take(NAMED) {
        let _ = writeln!(out, "  ! in no row: trace {}: {}", flagged.trace_id, flagged.what.join("; "));
    }
    if all > NAMED {
        let _ = writeln!(
            out,
            "  ! and {} more in no row; `--format json` names up to a hundred",
            all - NAMED.min(series.flagged.len())
        );
    }
}

fn rows(out: &mut String, summary: &Summary) {
    let Decompositions { mean, p50, p99 } = &summary.decomposition;
    let near = |of: &dyn Fn(&Decomposition) -> i64| {
        [p50.as_ref().or(Some(mean)), p99.as_ref()].map(|near| near.map(of))
    };
    let usual = if p50.is_some() { "near p50" } else { "mean" };
    let _ = writeln!(
        out,
        "\n  {:<WHERE$} {:<6} {:>7} {:>9} {:>9} {:>9} {:>9}   {usual:>9} {:>9}",
        "in ms", "", "share", "p50", "p90", "p99", "max", "near p99"
    );
    let in_stage = |stage: Stage| move |row: &&PartSummary| row.row.stage == stage;
    for stage in Stage::ALL {
        let of = |near: &Decomposition| {
            let parts = near.parts.iter().filter(|part| part.row.stage == stage);
            parts.map(|part| part.duration_ns).sum::<u64>().cast_signed()
        };
        let share: f64 = summary.parts.iter().filter(in_stage(stage)).map(|row| row.share).sum();
        if summary.parts.iter().any(|row| row.row.stage == stage) {
            line(out, stage.title(), "", share, None, near(&of));
        }
        for row in summary.parts.iter().filter(in_stage(stage)) {
            let percentiles = [row.p50_ns, row.p90_ns, row.p99_ns, Some(row.max_ns)];
            let near = near(&|near| near.of(&row.row).cast_signed());
            line(out, &row_label(&row.row), row.row.kind.as_str(), row.share, Some(percentiles), near);
        }
    }
    let rest = 1.0 - summary.parts.iter().map(|row| row.share).sum::<f64>();
    line(out, "unaccounted", "", rest, None, near(&|near| near.unaccounted_ns));
    let Percentiles { p50_ns, p90_ns, p99_ns, max_ns, .. } = summary.total;
    let totals = Some([p50_ns, p90_ns, p99_ns, Some(max_ns)]);
    line(out, "total", "", 1.0, totals, near(&|near| near.total_ns.cast_signed()));
    let of = |near: &Option<Decomposition>| near.as_ref().map_or(0, |near| near.journeys);
    let columns = match (p50, p99) {
        (Some(_), Some(_)) => format!(
            "the last two columns are means of {} journeys near p50 and {} near\n  p99 of the total, and add up",
            of(p50),
            of(p99)
        ),
        (Some(_), None) => format!("near p50 is the mean of {} journeys, and adds up", of(p50)),
        _ => format!("the mean is that of all {}, and adds up", mean.journeys),
    };
    let _ = writeln!(out, "  A row's percentiles are its own; {columns}.");
}

/// Milliseconds with their sign: nothing is shown as more than it is.
fn signed(nanoseconds: i64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e6)
}

fn line(
    out: &mut String,
    what: &str,
    kind: &str,
    share: f64,
    percentiles: Option<[Option<u64>; 4]>,
    near: [Option<i64>; 2],
) {
    let dash = || "–".to_owned();
    let milliseconds = |ns: Option<u64>| ns.map_or_else(dash, |ns| format!("{:.3}", ns as f64 / 1e6));
    let [p50, p90, p99, max] =
        percentiles.map_or_else(|| [const { String::new() }; 4], |of| of.map(milliseconds));
    let [usual, tail] = near.map(|near| near.map_or_else(dash, signed));
    let _ = writeln!(
        out,
        "  {what:<WHERE$} {kind:<6} {:>7} {p50:>9} {p90:>9} {p99:>9} {max:>9}   {usual:>9} {tail:>9}",
        format!("{:.1} %", share * 100.0),
    );
}

fn shared(out: &mut String, all: &[CountsShared]) {
    if let [only] = all {
        let _ = writeln!(out, "  the same in all of them: {}", counts(&only.counts));
        return;
    }
    for shared in all.iter().take(NAMED) {
        let _ = writeln!(out, "  in {} of them: {}", shared.journeys, counts(&shared.counts));
    }
    if let Some(more @ 1..) = all.len().checked_sub(NAMED) {
        let _ = writeln!(out, "  and {more} more combinations of counts; `--format json` has them all");
    }
}

/// How a rate was kept.
fn open_loop(out: &mut String, run: &OpenLoop) {
    let _ = writeln!(
        out,
        "  open loop: {:.1} per second wanted, {:.1} achieved; {} sent, {} answered, {} failed; {} connections, at \
         most {} requests at once, {} waiting",
        run.wanted_per_second,
        run.achieved_per_second,
        run.sent,
        run.answered,
        run.failed,
        run.connections,
        run.most_at_once,
        run.most_waiting,
    );
    let row = |out: &mut String, what: &str, of: &Percentiles| {
        let (count, all) = (of.count, percentiles(of));
        let _ = writeln!(out, "    {what}, of {count}: {all} · p99.9 {}", or_dash(of.p999_ns));
    };
    row(out, "response, from when a request was due", &run.response);
    row(out, "service, from when it was begun (what a closed loop sees)", &run.service);
    row(out, "pacing, how late the generator itself was", &run.pacing);
    let why = too_few(run.answered, &[50.0, 90.0, 99.0, 99.9]);
    if !why.is_empty() {
        let _ = writeln!(out, "    {why}");
    }
    if let Some(failure) = &run.first_failure {
        let _ = writeln!(out, "    ! the first failure: {failure}");
    }
    if let Some(reason) = &run.stopped {
        let _ = writeln!(
            out,
            "    ! stopped: {reason}; {} were due and are in no figure: the true percentiles are higher",
            run.unsent
        );
    }
    if !run.kept_up() {
        let _ = writeln!(
            out,
            "    ! The stack does not keep up with this rate: response times grow for as long as it lasts. Send \
             less than {:.0} per second.",
            run.achieved_per_second
        );
    }
}
