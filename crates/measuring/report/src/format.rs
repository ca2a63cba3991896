//! Times, counts and names, as all tables write them.

use journey::{Counts, Row};

/// The width of the column that says where the time of many journeys went.
pub(crate) const WHERE: usize = 44;

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
