//! Two sets of runs beside each other, for people: 80 columns wide.

use std::fmt::Write as _;

use journey::{Change, Comparison};
use measure::diff::{Diff, KindDiff};

use crate::format::{fit, row_label, time};
use crate::style::Style;

/// The width of the column that says which row it is.
const ROW: usize = 24;

/// The comparison as tables: the chapter's rows, with their parts if that is the style.
pub fn table(diff: &Diff, style: Style) -> String {
    let mut out = String::new();
    for warning in &diff.warnings {
        out.push_str(&fit(&format!("! {warning}")));
    }
    for (kind, compared) in diff.kinds() {
        kind_table(&mut out, kind, compared, diff, style);
    }
    if let Some(why) = &diff.undecidable {
        out.push_str(&fit(&format!("No verdict: {why}")));
    }
    out.push_str(&fit(&format!("Statistic: {}", diff.statistic)));
    out
}

fn kind_table(out: &mut String, kind: &str, compared: &KindDiff, diff: &Diff, style: Style) {
    let _ = writeln!(out, "{}", style.title(fit(&headline(kind, compared)).trim_end()));
    let journeys = format!("({} and {} journeys)", compared.before_journeys, compared.after_journeys);
    let _ = writeln!(out, "  {} and {} runs {journeys}\n", diff.before_runs, diff.after_runs);
    let head = format!(
        "  {:<ROW$} {:<6} {:>8} {:>8} {:>8} {:>8}  verdict",
        "medians in ms", "", "before", "after", "differ", "interval"
    );
    let _ = writeln!(out, "{}", style.title(&head));
    for row in &compared.stages {
        line(out, row.stage.title(), "", &row.comparison, style);
        for part in compared.parts.iter().filter(|part| style.parts && part.row.stage == row.stage) {
            line(out, &row_label(&part.row), part.row.kind.as_str(), &part.comparison, style);
        }
    }
    line(out, "total", "", &compared.total, style);
    if diff.undecidable.is_none() {
        let percent = |confidence: f64| format!("{:.2} %", confidence * 100.0);
        let (row, part) = (percent(compared.stage_confidence), percent(compared.part_confidence));
        let part = if style.parts { format!(", part {part}") } else { String::new() };
        let _ = writeln!(out, "  Intervals: total 95 %, row {row}{part}; ≤ x: no difference above x");
    }
    out.push('\n');
}

/// The verdict about the total, in a sentence.
fn headline(kind: &str, compared: &KindDiff) -> String {
    let total = &compared.total;
    let said = match total.verdict {
        Change::Faster | Change::Slower => {
            let by = total.difference_ns as f64 * 100.0 / total.before_ns.max(1) as f64;
            format!("{} by {} ({by:+.1} %)", total.verdict.as_str(), time(total.difference_ns.unsigned_abs()))
        }
        Change::Equivalent => {
            format!("no difference larger than {}", time(total.at_most_ns().unwrap_or_default()))
        }
        Change::Inconclusive if total.low_ns.is_none() => "no verdict".to_owned(),
        Change::Inconclusive => "undecided".to_owned(),
    };
    format!("{kind}: {said}   median total {} → {}", time(total.before_ns), time(total.after_ns))
}

fn line(out: &mut String, what: &str, kind: &str, of: &Comparison, style: Style) {
    let milliseconds = |nanoseconds: u64| milliseconds(nanoseconds as f64 / 1e6);
    let half = of.half_width_ns().map_or_else(|| "–".to_owned(), |half| format!("±{}", milliseconds(half)));
    let verdict = match of.verdict {
        Change::Faster => style.good(of.verdict.as_str()),
        Change::Slower => style.notable(of.verdict.as_str()),
        Change::Equivalent => {
            style.quiet(&format!("≤ {}", milliseconds(of.at_most_ns().unwrap_or_default())))
        }
        Change::Inconclusive if of.low_ns.is_none() => String::new(),
        Change::Inconclusive => "undecided".to_owned(),
    };
    let what: String = match what.chars().count() {
        ..=ROW => what.to_owned(),
        _ => what.chars().take(ROW - 1).chain(['…']).collect(),
    };
    let line = format!(
        "  {what:<ROW$} {kind:<6} {:>8} {:>8} {:>8} {half:>8}  {verdict}",
        milliseconds(of.before_ns),
        milliseconds(of.after_ns),
        match of.difference_ns {
            less @ ..0 => format!("-{}", milliseconds(less.unsigned_abs())),
            more => format!("+{}", milliseconds(more.unsigned_abs())),
        },
    );
    let _ = writeln!(out, "{}", line.trim_end());
}

/// To the microsecond, as far as a column of eight has room.
fn milliseconds(time: f64) -> String {
    match time {
        ..1e3 => format!("{time:.3}"),
        ..1e5 => format!("{time:.1}"),
        _ => format!("{time:.0}"),
    }
}

#[cfg(test)]
mod tests;
