//! What a person reads: the table of one journey, or of many (`series`), or two
//! measurements beside each other ([`diff`]).

pub mod diff;
pub mod packets;
mod series;

use std::fmt::Write as _;

use journey::{Counts, Journey, Line, PartKind, Stage, lines};

use crate::measure::machine::Machine;
use crate::measure::overhead::Overhead;
use crate::measure::{Measured, Series};

/// The width of the bar that stands for the whole journey.
const BAR: usize = 20;
/// The width of the column that says where the time went.
const WHERE: usize = 56;

/// The measurement as tables: cold, warm, and what the second no longer has.
pub fn table(measured: &Measured) -> String {
    let mut out = String::new();
    for (kind, series) in [("cold", &measured.cold), ("warm", &measured.warm)] {
        if let Some(series) = series {
            series_table(&mut out, kind, series);
            out.push('\n');
        }
    }
    if let (Some(cold), Some(warm)) = (&measured.cold, &measured.warm) {
        disappeared(&mut out, cold, warm);
    }
    if let Some(tap) = &measured.tap {
        out.push_str(&packets::table(tap));
    }
    let _ = writeln!(
        out,
        "Measured on {} (no wire: the chapter's network is 15 ms away), {} programs on this machine's cores,\n\
         {} build, {:.1} MiB of memory together.",
        measured.network,
        measured.hops.len(),
        measured.build,
        measured.memory_bytes as f64 / f64::from(1 << 20),
    );
    let _ = writeln!(out, "{}", machine(&measured.machine));
    if let Some(overhead) = &measured.overhead {
        self::overhead(&mut out, overhead);
    }
    out
}

/// What the machine did meanwhile, in one sentence.
fn machine(machine: &Machine) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let micro = |nanoseconds: u64| format!("{:.3} ms", nanoseconds as f64 / 1e6);
    let mut line = format!(
        "The machine: {} cores; a sleeper runs {} late (p99 {}), a spinning thread lost its core for {} \
         of the time, {} at most",
        machine.cores,
        micro(machine.wake_late_p50_ns),
        micro(machine.wake_late_p99_ns),
        percent(machine.gaps_share),
        micro(machine.longest_gap_ns),
    );
    if let (Some(others), Some(stolen), Some(waited)) =
        (machine.others_share, machine.stolen_share, machine.waited_per_second)
    {
        line += &format!(
            ";\nwhile measuring, other programs took {} of all cores, a hypervisor {}; the lab's programs \
             waited {waited:.2} s for a core per second that they ran",
            percent(others),
            percent(stolen),
        );
    }
    line + "."
}

/// What measuring costs, each figure with the interval that holds it with 95 %.
fn overhead(out: &mut String, overhead: &Overhead) {
    let _ = writeln!(
        out,
        "Recording a request adds, over {} pairs of {} recorded and unrecorded requests (median, 95 % interval):",
        overhead.pairs, overhead.requests
    );
    let rows = [
        ("CPU time of the hops", &overhead.cpu),
        ("the request's total", &overhead.total),
        ("CPU time of the lab itself", &overhead.lab_cpu),
    ];
    for (what, cost) in rows {
        let micro = |nanoseconds: i64| nanoseconds as f64 / 1e3;
        let [median, low, high] = cost.shares().map(|share| share * 100.0);
        let _ = writeln!(
            out,
            "  {what:<28} {:>+8.1} µs ({:+.1} … {:+.1}) on {:.1} µs: {median:+.1} % ({low:+.1} … {high:+.1})",
            micro(cost.added_ns),
            micro(cost.low_ns),
            micro(cost.high_ns),
            cost.without_ns as f64 / 1e3,
        );
    }
}

/// The table of one journey.
pub fn journey(journey: &Journey, kind: &str) -> String {
    let mut out = String::new();
    let (rows, _) = lines(&[journey]);
    let _ = writeln!(out, "{}", headline(journey, kind));
    rows_table(&mut out, &rows, journey.total_ns, journey.unaccounted_ns);
    remarks(&mut out, journey);
    out
}

fn series_table(out: &mut String, kind: &str, series: &Series) {
    let [first, ..] = series.journeys.as_slice() else { return };
    if series.journeys.len() == 1 && series.open_loop.is_none() {
        out.push_str(&self::journey(first, kind));
        return;
    }
    match &series.summary {
        Some(summary) => self::series::table(out, kind, series, summary),
        None => {
            let _ = writeln!(out, "none of {} {kind} journeys could be used", series.journeys.len());
            self::series::flagged(out, series, series.flagged.len());
            remarks(out, first);
        }
    }
}

/// One line: what was asked, how it went, how long it took.
pub fn headline(journey: &Journey, kind: &str) -> String {
    let status = journey.status.map_or_else(String::new, |status| format!(" → {status}"));
    format!("{}{status}   {kind}   {}   trace {}", journey.name, time(journey.total_ns), journey.trace_id)
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

/// `hop what`, indented by how deep the call is.
fn label(row: &Line) -> String {
    let indent = "  ".repeat(usize::from(row.depth).min(6) + 1);
    let what = match row.name.as_str() {
        "" => row.hop.clone(),
        name if row.kind == PartKind::Leg && name.contains('→') => name.to_owned(),
        name => format!("{}: {name}", row.hop),
    };
    let text = format!("{indent}{what}");
    if text.chars().count() <= WHERE { text } else { text.chars().take(WHERE - 1).chain(['…']).collect() }
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

/// Nanoseconds as milliseconds, to the microsecond.
pub fn time(nanoseconds: u64) -> String {
    format!("{:.3} ms", nanoseconds as f64 / 1e6)
}

/// Counts on one line.
pub fn counts(counts: &Counts) -> String {
    format!(
        "connections: {} opened, {} re-used · TLS handshakes: {} · DNS questions: {} · bytes: {} up, {} down · spans: {}",
        counts.connections_opened,
        counts.connections_reused,
        counts.tls_handshakes,
        counts.dns_queries,
        counts.request_bytes,
        counts.response_bytes,
        counts.spans,
    )
}

fn remarks(out: &mut String, journey: &Journey) {
    let _ = writeln!(out, "  {}", counts(&journey.counts));
    for hop in &journey.silent {
        let _ = writeln!(out, "  ! {hop} should have reported and did not: its time is inferred");
    }
    for anomaly in &journey.anomalies {
        let by = if anomaly.by_ns == 0 { String::new() } else { format!(" (by {})", time(anomaly.by_ns)) };
        let _ = writeln!(out, "  ! {}: {}{by}", anomaly.hop, anomaly.what);
    }
    if journey.parts.first().is_some_and(|part| part.stage == Stage::ToPod) {
        out.push_str("  This request came from outside: what happened before the lb read it is not seen.\n");
    }
}

/// What a warm journey no longer has.
fn disappeared(out: &mut String, cold: &Series, warm: &Series) {
    let (Some(cold), Some(warm)) = (cold.journeys.first(), warm.journeys.first()) else { return };
    let _ = writeln!(out, "What the warm journey no longer has:");
    for stage in Stage::ALL {
        let took = |journey: &Journey| journey.sum(|part| part.stage == stage);
        let (before, after) = (took(cold), took(warm));
        if before > 0 && after == 0 {
            let _ = writeln!(out, "  {:<26} {:>10}   gone", stage.title(), time(before));
        }
    }
    let opened = i64::from(cold.counts.connections_opened) - i64::from(warm.counts.connections_opened);
    let asked = i64::from(cold.counts.dns_queries) - i64::from(warm.counts.dns_queries);
    let shaken = i64::from(cold.counts.tls_handshakes) - i64::from(warm.counts.tls_handshakes);
    let _ = writeln!(
        out,
        "  {opened} connections that need not be opened, {shaken} TLS handshake, {asked} DNS questions."
    );
}

#[cfg(test)]
mod tests;
