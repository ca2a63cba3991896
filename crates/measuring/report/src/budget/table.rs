//! The audit, for people.

use std::fmt::Write as _;

use measure::round_trips::Counted;

use super::audit::Audit;
use crate::layout::{Column, Table, wrap};

/// The chapter's table, row by row, with what its rows imply, as wide as `width`.
pub fn table(counted: &Counted, audit: &Audit, width: usize) -> String {
    let head =
        "The chapter's table (§10): round trips counted on this lab, and how long each row says one is.\n\n";
    let mut out = wrap(head, width) + &rows(audit).fit(width);
    let mut below = format!(
        "\nThe rows add up to {} ms, as the chapter says, but not to one request. With a round trip of {} ms \
         throughout:\n",
        audit.chapter_ms, audit.round_trip_ms
    );
    for (case, total) in [
        ("first request, TLS 1.2", audit.consistent_tls12_ms),
        ("first request, TLS 1.3", audit.consistent_tls13_ms),
        ("warm request", Some(audit.consistent_warm_ms)),
    ] {
        if let Some(total) = total {
            let _ = writeln!(below, "  {case:<26} {total:>8} ms");
        }
    }
    let _ = writeln!(
        below,
        "\nA warm request had {} handshakes and {} DNS queries here: its table begins at \"Request to load \
         balancer\".",
        counted.warm_handshakes, counted.dns_browser_knows
    );
    out += &wrap(&below, width);
    out
}

fn rows(audit: &Audit) -> Table {
    let columns = [
        Column::left("read as"),
        Column::right("chapter"),
        Column::right("trips"),
        Column::right("implies"),
        Column::right("needs"),
        Column::left("verdict"),
    ];
    let mut table = Table::new(2, columns);
    for step in audit.rows.chunk_by(|a, b| a.step == b.step) {
        table.above(step[0].step);
        for row in step {
            let milliseconds =
                |time: Option<f64>| time.map_or_else(|| "–".to_owned(), |time| format!("{time} ms"));
            let cells = [
                row.case.to_owned(),
                milliseconds(Some(row.chapter_ms)),
                row.round_trips.map_or_else(|| "?".to_owned(), |trips| trips.to_string()),
                milliseconds(row.implied_round_trip_ms),
                milliseconds(row.needs_ms),
                row.verdict.as_str().to_owned(),
            ];
            table.row(cells);
            table.below(row.why.as_str());
        }
    }
    table
}
