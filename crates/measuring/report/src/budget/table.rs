//! The audit, for people.

use std::fmt::Write as _;

use measure::round_trips::Counted;

use super::audit::Audit;

/// The chapter's table, row by row, with what its rows imply.
pub fn table(counted: &Counted, audit: &Audit) -> String {
    let mut out =
        "The chapter's table (§10): round trips counted on this lab, and how long each row says one is.\n\n"
            .to_owned();
    let _ = writeln!(
        out,
        "  {:<26} {:<28} {:>8} {:>12} {:>11} {:>9}",
        "", "read as", "chapter", "round trips", "implies", "needs"
    );
    for row in &audit.rows {
        let milliseconds =
            |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time} ms"));
        let trips = row.round_trips.map_or_else(|| "?".to_owned(), |trips| trips.to_string());
        let _ = writeln!(
            out,
            "  {:<26} {:<28} {:>8} {trips:>12} {:>11} {:>9}   {}",
            row.step,
            row.case,
            milliseconds(Some(row.chapter_ms)),
            milliseconds(row.implied_round_trip_ms),
            milliseconds(row.needs_ms),
            row.verdict.as_str()
        );
        let _ = writeln!(out, "      {}", row.why);
    }
    let round_trip = audit.round_trip_ms;
    let _ = writeln!(
        out,
        "\nThe rows add up to {} ms, as the chapter says, but not to one request. With a round trip of \
         {round_trip} ms throughout:",
        audit.chapter_ms
    );
    for (case, total) in [
        ("first request, TLS 1.2", audit.consistent_tls12_ms),
        ("first request, TLS 1.3", audit.consistent_tls13_ms),
        ("warm request", Some(audit.consistent_warm_ms)),
    ] {
        if let Some(total) = total {
            let _ = writeln!(out, "  {case:<26} {total:>8} ms");
        }
    }
    let _ = writeln!(
        out,
        "\nA warm request had {} handshakes and {} DNS questions here: its table begins at \"Request to load \
         balancer\".",
        counted.warm_handshakes, counted.dns_browser_knows
    );
    out
}
