//! Two measurements beside each other, for people.

use std::fmt::Write as _;

use journey::{Change, Comparison};
use measure::diff::{Diff, KindDiff};

use crate::format::{WHERE, row_label, time};

/// The comparison as tables.
pub fn table(diff: &Diff) -> String {
    let mut out = String::new();
    for warning in &diff.warnings {
        let _ = writeln!(out, "! {warning}");
    }
    for (kind, compared) in [("cold", &diff.cold), ("warm", &diff.warm)] {
        if let Some(compared) = compared {
            kind_table(&mut out, kind, compared);
        }
    }
    let _ = writeln!(out, "Statistic: {}", diff.statistic);
    out
}

fn kind_table(out: &mut String, kind: &str, compared: &KindDiff) {
    let total = &compared.total;
    let _ = writeln!(
        out,
        "{kind}: {}   median total {} → {}   ({} and {} journeys)",
        total.verdict.as_str(),
        time(total.before_ns),
        time(total.after_ns),
        compared.before_journeys,
        compared.after_journeys,
    );
    let _ = writeln!(
        out,
        "\n  {:<WHERE$} {:<6} {:>9} {:>9} {:>9}   {:<20} {:>6}  verdict",
        "medians in ms", "", "before", "after", "differ", "interval", "ratio"
    );
    for part in &compared.parts {
        line(out, &row_label(&part.row), part.row.kind.as_str(), &part.comparison);
    }
    line(out, "total", "", total);
    let said = |verdict| compared.parts.iter().filter(|part| part.comparison.verdict == verdict).count();
    let _ = writeln!(
        out,
        "  {} parts faster, {} slower, {} inconclusive; each part's interval has {:.2} %, the total's 95 %\n",
        said(Change::Faster),
        said(Change::Slower),
        said(Change::Inconclusive),
        compared.part_confidence * 100.0,
    );
}

fn line(out: &mut String, what: &str, kind: &str, of: &Comparison) {
    let signed = |nanoseconds: i64| format!("{:+.3}", nanoseconds as f64 / 1e6);
    let interval = match (of.low_ns, of.high_ns) {
        (Some(low), Some(high)) => format!("{} … {}", signed(low), signed(high)),
        _ => "too few journeys".to_owned(),
    };
    let verdict = if of.verdict == Change::Inconclusive { "" } else { of.verdict.as_str() };
    let line = format!(
        "  {what:<WHERE$} {kind:<6} {:>9.3} {:>9.3} {:>9}   {interval:<20} {:>6}  {verdict}",
        of.before_ns as f64 / 1e6,
        of.after_ns as f64 / 1e6,
        signed(of.difference_ns),
        of.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
    );
    let _ = writeln!(out, "{}", line.trim_end());
}

#[cfg(test)]
mod tests;
