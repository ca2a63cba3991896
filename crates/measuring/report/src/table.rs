//! What a person reads of a measurement: the table of one journey, or of many, and what stands below it.

pub(crate) mod after;
mod chapter;
mod label;
mod one;
mod series;

use std::fmt::Write as _;

use journey::{Journey, Stage};
use measure::machine::Machine;
use measure::overhead::{AIM, Overhead, Verdict};
use measure::{Measured, Series};

use crate::format::{counts, fit, or_dash, time};
use crate::packets;
use crate::style::Style;
use chapter::{Column, is_one};
use one::{remarks, strange};

pub use one::headline;

/// The measurement: the chapter's ten rows for cold and warm beside each other, with a verdict, 80 columns wide; with
/// their parts, as wide as they are, also what the warm journey no longer has, and what the machine did meanwhile.
pub fn table(measured: &Measured, style: Style) -> String {
    let mut out = rows(measured, style);
    if style.parts {
        parts(&mut out, measured);
    }
    if let Some(tap) = &measured.tap {
        out.push_str(&packets::table(tap));
    }
    let place = match measured.network.as_str() {
        "real" => "in network namespaces on one machine",
        _ => "on loopback",
    };
    let mut below = format!(
        "Measured {} (no wire: the chapter's network is 15 ms away), {} programs on this machine's cores, {} build, \
         {:.1} MiB of memory together.\n",
        place,
        measured.hops.len(),
        measured.build,
        measured.memory_bytes as f64 / f64::from(1 << 20),
    );
    match style.parts {
        true => _ = writeln!(below, "{}", machine(&measured.machine)),
        false => below.push_str("Every row opens into its parts with --parts.\n"),
    }
    if let Some(overhead) = &measured.overhead {
        self::overhead(&mut below, overhead);
    }
    out + &fit(&below)
}

/// One journey: the ten rows and a verdict; with their parts, too, if that is the style.
pub fn journey(journey: &Journey, kind: &str, style: Style) -> String {
    let mut out = String::new();
    chapter::table(&mut out, &[Column::of_journey(kind, journey)], style);
    if style.parts {
        one::journey(&mut out, journey, kind);
    } else {
        below(&mut out, kind, journey);
    }
    out
}

/// The chapter's table, and what else must be known of the journeys in it.
fn rows(measured: &Measured, style: Style) -> String {
    let kinds = [("cold", &measured.cold), ("warm", &measured.warm)];
    let kinds: Vec<_> = kinds.into_iter().filter_map(|(kind, of)| Some((kind, of.as_ref()?))).collect();
    let columns: Vec<_> = kinds.iter().filter_map(|(kind, series)| Column::of_series(kind, series)).collect();
    let mut out = String::new();
    chapter::table(&mut out, &columns, style);
    for (kind, series) in kinds.iter().filter(|_| !style.parts) {
        match series.journeys.first() {
            Some(first) if is_one(series) => below(&mut out, kind, first),
            Some(_) => series::below(&mut out, kind, series),
            None => {}
        }
    }
    out
}

/// What stands below the rows of one journey.
fn below(out: &mut String, kind: &str, journey: &Journey) {
    let mut text = format!("{kind}: trace {} · {}\n", journey.trace_id, counts(&journey.counts));
    strange(&mut text, journey);
    out.push_str(&fit(&text));
}

fn parts(out: &mut String, measured: &Measured) {
    for (kind, series) in [("cold", &measured.cold), ("warm", &measured.warm)] {
        if let Some(series) = series {
            series_table(out, kind, series);
            out.push('\n');
        }
    }
    if let (Some(cold), Some(warm)) = (&measured.cold, &measured.warm) {
        disappeared(out, cold, warm);
    }
}

/// What the machine did meanwhile, in one sentence.
fn machine(machine: &Machine) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let mut line = format!(
        "The machine: {} cores; a sleeper runs {} late (p90 {}), a spinning thread lost its core for {} \
         of the time, {} at most",
        machine.cores,
        or_dash(machine.wake_late_p50_ns),
        or_dash(machine.wake_late_p90_ns),
        percent(machine.gaps_share),
        time(machine.longest_gap_ns),
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
    let aim = AIM * 100.0;
    let _ = match overhead.verdict {
        Verdict::Within => writeln!(out, "  within the aim of {aim:.0} % of the hops' CPU time"),
        Verdict::Over => writeln!(out, "  over the aim of {aim:.0} % of the hops' CPU time"),
        Verdict::Inconclusive => writeln!(
            out,
            "  inconclusive: the interval is too wide to tell from the aim of {aim:.0} % of the hops' CPU time;\n  \
             more requests (-n) or a quieter machine make it narrower"
        ),
    };
}

fn series_table(out: &mut String, kind: &str, series: &Series) {
    let [first, ..] = series.journeys.as_slice() else { return };
    if is_one(series) {
        one::journey(out, first, kind);
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
    let queries = i64::from(cold.counts.dns_queries) - i64::from(warm.counts.dns_queries);
    let shaken = i64::from(cold.counts.tls_handshakes) - i64::from(warm.counts.tls_handshakes);
    let _ = writeln!(
        out,
        "  {opened} connections that need not be opened, {shaken} TLS handshake, {queries} DNS queries."
    );
}

#[cfg(test)]
mod tests;
