//! One page that needs nothing else: no network, no script. It can be mailed, and it looks the same in ten
//! years.
//!
//! | part | file |
//! |---|---|
//! | the page, its head and its foot | this one |
//! | where the time goes, at a glance | `html/glance.rs` |
//! | one journey as waterfall and table | `html/waterfall.rs` |
//! | many journeys as a histogram | `html/spread.rs` |
//! | the programs | `html/programs.rs` |
//! | how it looks, light and dark | `html/page.css` |

mod glance;
mod programs;
mod shown;
mod spread;
mod text;
mod waterfall;

use std::fmt::Write as _;

use measure::Measured;

use super::selection::{kinds, origin, typical};
use crate::format::counts;
use crate::packets;
use crate::utc::rfc3339;
use shown::Shown;
use text::Text;

const STYLE: &str = include_str!("html/page.css");

/// The measurement as a page.
pub fn write(measured: &Measured) -> String {
    let shown: Vec<Shown<'_>> = kinds(measured)
        .filter_map(|(kind, series)| Some(Shown { kind, series, journey: typical(series)? }))
        .collect();
    let name = shown.first().map_or("nothing was measured", |shown| shown.journey.name.as_str());
    let mut out = String::with_capacity(128 << 10);
    // The policy makes the browser keep the promise: whatever stands in the page, nothing is fetched.
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{} – request journey</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        Text(name)
    );
    head(&mut out, measured, name, &shown);
    out.push_str("<main>\n");
    glance::write(&mut out, &shown);
    for shown in &shown {
        kind(&mut out, shown);
    }
    programs::write(&mut out, &measured.hops, &shown);
    if let Some(tap) = &measured.tap {
        let table = packets::table(tap);
        let _ = write!(
            out,
            "<section aria-labelledby=\"tap\">\n<h2 id=\"tap\">What the packets say</h2>\n\
             <div class=\"scroll\" role=\"region\" aria-labelledby=\"tap\" tabindex=\"0\"><pre>{}</pre></div>\n</section>\n",
            Text(&table)
        );
    }
    out.push_str("</main>\n");
    out.push_str(FOOT);
    out.push_str("</body>\n</html>\n");
    out
}

fn head(out: &mut String, measured: &Measured, name: &str, shown: &[Shown<'_>]) {
    let first = measured.journeys().map(|journey| journey.start_unix_ns).min().unwrap_or_default();
    let when = rfc3339(first);
    let (day, clock) = (when.get(..10).unwrap_or_default(), when.get(11..16).unwrap_or_default());
    let status = shown.first().and_then(|shown| shown.journey.status);
    let _ = write!(
        out,
        "<header>\n<p class=\"eyebrow\">One request's journey, measured</p>\n<h1>{}{}</h1>\n<ul class=\"facts\">\n",
        Text(name),
        status.map_or_else(String::new, |status| format!(" <span class=\"status\">{status}</span>"))
    );
    let facts = [
        origin(measured).to_owned(),
        format!("{day} {clock} UTC"),
        format!("{} build", measured.build),
        format!("network: {}", measured.network),
        format!("{} programs", measured.hops.len()),
        format!("{:.0} MiB of memory together", measured.memory_bytes as f64 / f64::from(1 << 20)),
    ];
    for fact in facts {
        let _ = writeln!(out, "<li>{}</li>", Text(&fact));
    }
    out.push_str("</ul>\n</header>\n");
}

fn kind(out: &mut String, shown: &Shown<'_>) {
    let about = match shown.kind {
        "cold" => "Empty caches, a new connection, a new TLS session.",
        _ => "The name is cached and every connection is used again.",
    };
    let count = shown.count();
    let plural = if count == 1 { "" } else { "s" };
    let _ = write!(
        out,
        "<section aria-labelledby=\"{0}\">\n<h2 id=\"{0}\" class=\"title\">{0}</h2>\n<p class=\"lead\">{about} {count} journey{plural}.</p>\n",
        shown.kind
    );
    if let Some(summary) = shown.series.summary.as_ref().filter(|_| count > 1) {
        spread::write(out, &shown.series.journeys, summary);
    }
    waterfall::write(out, shown.kind, shown.journey, count > 1);
    remarks(out, shown);
    out.push_str("</section>\n");
}

/// What was counted, and what was strange.
fn remarks(out: &mut String, shown: &Shown<'_>) {
    let _ = writeln!(out, "<p class=\"counts\">{}</p>", Text(&counts(&shown.journey.counts)));
    let flagged = &shown.series.flagged;
    if flagged.is_empty() {
        out.push_str("<p class=\"good\">Every hop that should report did, and nothing was strange.</p>\n");
        return;
    }
    let of = shown.count();
    let number = shown.series.summary.as_ref().map_or(of, |summary| summary.flagged);
    let _ = write!(out, "<p class=\"bad\">{number} of {of} journeys are flagged:</p>\n<ul class=\"bad\">\n");
    for journey in flagged.iter().take(10) {
        let _ = writeln!(out, "<li>{}: {}</li>", journey.trace_id, Text(&journey.what.join("; ")));
    }
    out.push_str("</ul>\n");
}

const FOOT: &str = "<footer>\n<h2>How to read this</h2>\n\
<p>The parts of a journey follow one another without gap or overlap; what the browser has no name for stands as \
<em>unaccounted</em>. A <b>leg</b> is bytes under way between two programs; <b>self</b> is a program at work; \
<b>wait</b> is a program waiting for something of its own; <b>wake</b> is bytes waiting for a program to run; \
<b>opaque</b> is a program that reports nothing.</p>\n\
<p>All programs shared one machine's cores, and loopback has no wire: production is different. A debug build is \
several times slower than a release build.</p>\n</footer>\n";

#[cfg(test)]
mod tests;
