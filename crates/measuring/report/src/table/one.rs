//! The table of one journey: every part with its time, and the stages that they add up to.

use std::fmt::Write as _;

use journey::{Journey, Line, Stage, lines};

use super::after;
use super::label::{WHERE, label};
use crate::format::{counts, time};

/// The width of the bar that stands for the whole journey.
const BAR: usize = 20;

/// The table of one journey, part by part.
pub(super) fn journey(out: &mut String, journey: &Journey, kind: &str) {
    let (rows, _) = lines(&[journey]);
    let _ = writeln!(out, "{}", headline(journey, kind));
    rows_table(out, &rows, journey.total_ns, journey.unaccounted_ns);
    after::of_one(out, journey);
    remarks(out, journey);
}

/// One line: which request, how it went, how long it took.
pub fn headline(journey: &Journey, kind: &str) -> String {
    let status = journey.status.map_or_else(String::new, |status| format!(" → {status}"));
    format!("{}{status}   {kind}   {}   trace {}", journey.name, time(journey.total_ns), journey.trace_id)
}

pub(super) fn remarks(out: &mut String, journey: &Journey) {
    let _ = writeln!(out, "  {}", counts(&journey.counts));
    strange(out, journey);
}

/// What was strange about a journey, and what is not seen of it.
pub(super) fn strange(out: &mut String, journey: &Journey) {
    for hop in &journey.silent {
        let _ = writeln!(out, "  ! {hop} should have reported and did not: its time is inferred");
    }
    for hop in &journey.awaited {
        let _ = writeln!(
            out,
            "  ! {hop} reported nothing of this: it was not called, or without the trace context"
        );
    }
    for anomaly in &journey.anomalies {
        let by = if anomaly.by_ns == 0 { String::new() } else { format!(" (by {})", time(anomaly.by_ns)) };
        let _ = writeln!(out, "  ! {}: {}{by}", anomaly.hop, anomaly.what);
    }
    if journey.parts.first().is_some_and(|part| part.stage == Stage::ToPod) {
        out.push_str("  This request came from outside: what happened before the lb read it is not seen.\n");
    }
}

fn rows_table(out: &mut String, rows: &[Line], total: u64, unaccounted: i64) {
    let _ = writeln!(
        out,
        "  {:<WHERE$} {:<6} {:>10} {:>11}  {:<BAR$} {:>7}  {:>8}",
        "", "", "time", "cumulative", "share", "", "chapter"
    );
    let mut cumulative = 0;
    for stage in rows.chunk_by(|a, b| a.stage == b.stage) {
        stage_row(out, stage[0].stage, stage.iter().map(|row| row.duration_ns).sum(), total);
        for row in stage {
            cumulative += row.duration_ns;
            let line = format!(
                "  {:<WHERE$} {:<6} {:>10} {:>11}  {}",
                label(row),
                row.kind.as_str(),
                time(row.duration_ns),
                time(cumulative),
                bar(row.duration_ns, total),
            );
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    let sign = if unaccounted < 0 { "-" } else { "" };
    let share = percent(unaccounted.unsigned_abs(), total);
    let text = format!("{sign}{}", time(unaccounted.unsigned_abs()));
    let _ =
        writeln!(out, "  {:<WHERE$} {:<6} {text:>10} {:>11}  {:<BAR$} {share:>7}", "unaccounted", "", "", "");
    let chapter: u64 = Stage::ALL.iter().filter_map(|stage| stage.chapter()).sum();
    let _ = writeln!(
        out,
        "  {:<WHERE$} {:<6} {:>10} {:>11}  {:<BAR$} {:>7}  {:>8}",
        "total",
        "",
        time(total),
        "",
        "",
        "",
        format!("~{} ms", chapter / 1_000_000)
    );
}

fn stage_row(out: &mut String, stage: Stage, sum: u64, total: u64) {
    let chapter = stage.chapter().map_or_else(String::new, |ns| format!("{} ms", ns / 1_000_000));
    let title = stage.title();
    let share = percent(sum, total);
    let line = format!(
        "  {title:<WHERE$} {:<6} {:>10} {:>11}  {:<BAR$} {share:>7}  {chapter:>8}",
        "",
        time(sum),
        "",
        ""
    );
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Eighths of a block, so that a share of one percent is still seen.
fn bar(part: u64, total: u64) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (part.min(total) * BAR as u64 * 8).checked_div(total).unwrap_or(0) as usize;
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.push(EIGHTHS[eighths % 8]);
    }
    text
}

fn percent(part: u64, total: u64) -> String {
    if total == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / total as f64) }
}

#[cfg(test)]
mod tests;
