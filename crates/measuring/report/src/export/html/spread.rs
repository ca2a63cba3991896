//! Many journeys: their percentiles, and a histogram of their totals.

use std::fmt::Write as _;

use journey::{Journey, Summary};

use super::text::Text;
use crate::format::{or_dash, time, too_few};

/// Columns of the histogram.
const COLUMNS: usize = 48;
/// The drawing's own units.
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 200.0;
/// Kept free above the columns, for the names of percentiles.
const TOP: f64 = 34.0;
/// Kept free below them, for the scale.
const BOTTOM: f64 = 24.0;

pub(super) fn write(out: &mut String, journeys: &[Journey], summary: &Summary) {
    let total = &summary.total;
    let unaccounted = summary.unaccounted_p50_ns.map(|median| format!("{:.3} ms", median as f64 / 1e6));
    let tiles = [
        ("requests", total.count.to_string()),
        ("fastest", time(total.min_ns)),
        ("half are within", or_dash(total.p50_ns)),
        ("90 % within", or_dash(total.p90_ns)),
        ("99 % within", or_dash(total.p99_ns)),
        ("slowest", time(total.max_ns)),
        ("unaccounted, median", unaccounted.unwrap_or_else(|| or_dash(None))),
        ("flagged, in no row", format!("{} of {}", summary.flagged, summary.journeys)),
        ("disturbed, and counted", format!("{} of {}", summary.disturbed, summary.journeys)),
    ];
    out.push_str("<dl class=\"tiles\">\n");
    for (name, value) in tiles {
        let _ = writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(&value));
    }
    out.push_str("</dl>\n");
    let why = too_few(total.count, &[50.0, 90.0, 99.0]);
    if !why.is_empty() {
        let _ = writeln!(out, "<p class=\"note\">{}</p>", Text(&why));
    }
    histogram(out, journeys, summary);
}

/// Totals from the fastest to a little beyond p99; what is slower stands in the last column.
fn histogram(out: &mut String, journeys: &[Journey], summary: &Summary) {
    let total = &summary.total;
    let from = total.min_ns;
    let beyond = total.p99_ns.map_or(total.max_ns, |p99| p99 + (p99 - from) / 10);
    let to = beyond.min(total.max_ns).max(from + 1);
    let mut columns = [0usize; COLUMNS];
    for journey in journeys {
        let share = journey.total_ns.saturating_sub(from) as f64 / (to - from) as f64;
        columns[((share * COLUMNS as f64) as usize).min(COLUMNS - 1)] += 1;
    }
    let highest = columns.iter().copied().max().unwrap_or(1).max(1);
    let _ = write!(
        out,
        "<figure>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Histogram of totals: from {}, half within {}, 99 in 100 within {}, the slowest {}\">\n",
        time(total.min_ns),
        or_dash(total.p50_ns),
        or_dash(total.p99_ns),
        time(total.max_ns)
    );
    let column = WIDTH / COLUMNS as f64;
    let room = HEIGHT - TOP - BOTTOM;
    for (at, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0) {
        let height = (*count as f64 / highest as f64 * room).max(2.0);
        let edge = |at: usize| time(from + ((to - from) as f64 * at as f64 / COLUMNS as f64) as u64);
        let until = if at + 1 == COLUMNS { time(total.max_ns) } else { edge(at + 1) };
        let _ = writeln!(
            out,
            "<rect class=\"column\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\" rx=\"2\"><title>{count} from {} to {until}</title></rect>",
            at as f64 * column + 1.0,
            TOP + room - height,
            column - 2.0,
            edge(at)
        );
    }
    let _ = writeln!(out, "<line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{0}\" y2=\"{0}\"/>", TOP + room);
    let place = |ns: u64| (ns.saturating_sub(from) as f64 / (to - from) as f64).min(1.0) * WIDTH;
    // Two lines of names: neighbours do not cover one another.
    let marks = [("p50", total.p50_ns, 0.0), ("p90", total.p90_ns, 1.0), ("p99", total.p99_ns, 0.0)];
    for (name, ns, line) in marks.into_iter().filter_map(|(name, ns, line)| Some((name, ns?, line))) {
        let x = place(ns).clamp(1.0, WIDTH - 1.0);
        let (anchor, shift) = if x > WIDTH / 2.0 { ("end", -4.0) } else { ("start", 4.0) };
        let y = 12.0 + line * 15.0;
        let _ = writeln!(
            out,
            "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/><text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{name}<tspan class=\"value\"> {}</tspan></text>",
            y - 9.0,
            TOP + room,
            x + shift,
            time(ns)
        );
    }
    let base = HEIGHT - 8.0;
    let _ = writeln!(
        out,
        "<text class=\"scale\" x=\"0\" y=\"{base}\">{}</text><text class=\"scale\" x=\"{WIDTH}\" y=\"{base}\" text-anchor=\"end\">{}{}</text>\n</svg>",
        time(from),
        time(to),
        if to < total.max_ns { " and more" } else { "" }
    );
    let kept = match journeys.len() {
        all if all >= total.count => String::new(),
        some => format!(" Drawn from the {some} that were kept."),
    };
    let caption = "How long the journeys took: higher means more of them.";
    let _ = write!(out, "<figcaption>{caption}{kept}</figcaption>\n</figure>\n");
}
