//! Times, counts and names, as all tables write them.

use journey::{Counts, Percentiles, Row, carries, needed};

use crate::layout;

/// The width of the column that says where the time of many journeys went.
pub(crate) const WHERE: usize = 44;

/// Breaks lines that are wider than a terminal, at their spaces; what follows is indented.
pub(crate) fn fit(text: &str) -> String {
    layout::wrap(text, layout::WIDTH)
}

/// Nanoseconds as milliseconds, to the microsecond.
pub fn time(nanoseconds: u64) -> String {
    format!("{:.3} ms", nanoseconds as f64 / 1e6)
}

/// A percentile that its count carries, or a dash.
pub fn or_dash(nanoseconds: Option<u64>) -> String {
    nanoseconds.map_or_else(|| "–".to_owned(), time)
}

/// The least, the percentiles that are of use to people, and the most.
pub(crate) fn percentiles(of: &Percentiles) -> String {
    let [p50, p90, p99] = [of.p50_ns, of.p90_ns, of.p99_ns].map(or_dash);
    format!("min {} · p50 {p50} · p90 {p90} · p99 {p99} · max {}", time(of.min_ns), time(of.max_ns))
}

/// Why some of these percentiles are dashes; empty when none is.
pub(crate) fn too_few(of: usize, percents: &[f64]) -> String {
    let missing: Vec<String> = percents
        .iter()
        .filter(|percent| !carries(of, **percent))
        .map(|percent| format!("p{percent} takes {}", needed(*percent)))
        .collect();
    if missing.is_empty() { String::new() } else { format!("–: {of} cannot tell; {}", missing.join(", ")) }
}

/// Counts on one line; a dash for what is not known.
pub fn counts(counts: &Counts) -> String {
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string());
    format!(
        "connections: {} opened, {} re-used · TLS handshakes: {} · DNS queries: {} · bytes: {} up, {} down · spans: {}",
        counts.connections_opened,
        counts.connections_reused,
        counts.tls_handshakes,
        counts.dns_queries,
        known(counts.request_bytes),
        known(counts.response_bytes),
        counts.spans,
    )
}

/// `role: what`, as wide as its column allows.
pub(crate) fn row_label(row: &Row) -> String {
    let text = match row.name.as_str() {
        "" => format!("  {}", row.role),
        name if name.contains('→') => format!("  {name}"),
        name => format!("  {}: {name}", row.role),
    };
    if text.chars().count() <= WHERE { text } else { text.chars().take(WHERE - 1).chain(['…']).collect() }
}

#[cfg(test)]
mod tests;
