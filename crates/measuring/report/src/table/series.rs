//! Many journeys in one table: every row with its percentiles, and where the time of usual and of slow
//! journeys went.

use std::fmt::Write as _;

use journey::{CountsShared, PartSummary, Stage, Summary};
use measure::Series;
use measure::open_loop::{OpenLoop, Percentiles};

use crate::format::{WHERE, counts, fit, row_label, time};

/// So many flagged journeys are named, and so many different counts.
const NAMED: usize = 5;

/// The table of a series of which at least one journey is clean.
pub(super) fn table(out: &mut String, kind: &str, series: &Series, summary: &Summary) {
    let name = series.journeys.first().map_or("", |journey| journey.name.as_str());
    let _ = writeln!(out, "{name}   {kind}   {} journeys", summary.journeys);
    let _ = writeln!(
        out,
        "  total: min {}   p50 {}   p90 {}   p99 {}   max {}   unaccounted p50 {}   flagged {}",
        time(summary.min_ns),
        time(summary.p50_ns),
        time(summary.p90_ns),
        time(summary.p99_ns),
        time(summary.max_ns),
        time(summary.unaccounted_p50_ns),
        summary.flagged,
    );
    if let Some(open_loop) = &series.open_loop {
        self::open_loop(out, open_loop);
    }
    rows(out, summary);
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

fn totals(out: &mut String, kind: &str, summary: &Summary) {
    let _ = writeln!(
        out,
        "{kind}, {} journeys: min {} · p50 {} · p90 {} · p99 {} · max {}",
        summary.journeys,
        time(summary.min_ns),
        time(summary.p50_ns),
        time(summary.p90_ns),
        time(summary.p99_ns),
        time(summary.max_ns),
    );
}

/// Journeys, and requests, that are in no figure.
pub(super) fn flagged(out: &mut String, series: &Series, all: usize) {
    if let Some(first) = &series.failures.first {
        let _ = writeln!(out, "  ! {} more requests failed; the first: {first}", series.failures.count);
    }
    for flagged in series.flagged.iter().take(NAMED) {
        let _ = writeln!(out, "  ! left out: trace {}: {}", flagged.trace_id, flagged.what.join("; "));
    }
    if all > NAMED {
        let _ = writeln!(
            out,
            "  ! and {} more left out; `--format json` names up to a hundred",
            all - NAMED.min(series.flagged.len())
        );
    }
}

fn rows(out: &mut String, summary: &Summary) {
    let (p50, p99) = (&summary.decomposition.p50, &summary.decomposition.p99);
    let _ = writeln!(
        out,
        "\n  {:<WHERE$} {:<6} {:>7} {:>9} {:>9} {:>9} {:>9}   {:>9} {:>9}",
        "in ms", "", "share", "p50", "p90", "p99", "max", "near p50", "near p99"
    );
    let in_stage = |stage: Stage| move |row: &&PartSummary| row.row.stage == stage;
    for stage in Stage::ALL {
        let of = |parts: &[journey::PartMean]| {
            parts.iter().filter(|part| part.row.stage == stage).map(|part| part.duration_ns).sum::<u64>()
        };
        let share: f64 = summary.parts.iter().filter(in_stage(stage)).map(|row| row.share).sum();
        if summary.parts.iter().any(|row| row.row.stage == stage) {
            line(out, stage.title(), "", share, None, (of(&p50.parts), of(&p99.parts)));
        }
        for row in summary.parts.iter().filter(in_stage(stage)) {
            let percentiles = [row.p50_ns, row.p90_ns, row.p99_ns, row.max_ns];
            let near = (p50.of(&row.row), p99.of(&row.row));
            line(out, &row_label(&row.row), row.row.kind.as_str(), row.share, Some(percentiles), near);
        }
    }
    let rest = 1.0 - summary.parts.iter().map(|row| row.share).sum::<f64>();
    let unaccounted = (p50.unaccounted_ns.unsigned_abs(), p99.unaccounted_ns.unsigned_abs());
    line(out, "unaccounted", "", rest.max(0.0), None, unaccounted);
    let totals = [summary.p50_ns, summary.p90_ns, summary.p99_ns, summary.max_ns];
    line(out, "total", "", 1.0, Some(totals), (p50.total_ns, p99.total_ns));
    let _ = writeln!(
        out,
        "  A row's percentiles are its own; the last two columns are means of {} journeys near p50 and {} near\n  \
         p99 of the total, and add up.",
        p50.journeys, p99.journeys
    );
}

fn line(
    out: &mut String,
    what: &str,
    kind: &str,
    share: f64,
    percentiles: Option<[u64; 4]>,
    near: (u64, u64),
) {
    let milliseconds = |nanoseconds: u64| format!("{:.3}", nanoseconds as f64 / 1e6);
    let [p50, p90, p99, max] =
        percentiles.map_or_else(|| [const { String::new() }; 4], |of| of.map(milliseconds));
    let _ = writeln!(
        out,
        "  {what:<WHERE$} {kind:<6} {:>7} {p50:>9} {p90:>9} {p99:>9} {max:>9}   {:>9} {:>9}",
        format!("{:.1} %", share * 100.0),
        milliseconds(near.0),
        milliseconds(near.1),
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
        let _ = writeln!(
            out,
            "    {what:<52} p50 {}   p90 {}   p99 {}   p99.9 {}   max {}",
            time(of.p50_ns),
            time(of.p90_ns),
            time(of.p99_ns),
            time(of.p999_ns),
            time(of.max_ns),
        );
    };
    row(out, "response: from when a request was due", &run.response);
    row(out, "service: from when it was begun (what a closed loop sees)", &run.service);
    row(out, "pacing: how late the generator itself was", &run.pacing);
    if let Some(failure) = &run.first_failure {
        let _ = writeln!(out, "    ! the first failure: {failure}");
    }
    if let Some(reason) = &run.stopped {
        let _ = writeln!(out, "    ! stopped: {reason}");
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
