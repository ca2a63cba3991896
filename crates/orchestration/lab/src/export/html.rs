//! One page that needs nothing else: no network, no script. It can be mailed, and it looks the same in ten
//! years.
//!
//! | part | file |
//! |---|---|
//! | the page, its head and its foot, the hops | this one |
//! | one journey as waterfall and table | `html/waterfall.rs` |
//! | many journeys as a histogram | `html/spread.rs` |
//! | how it looks, light and dark | `html/page.css` |

mod spread;
mod waterfall;

use std::fmt::{self, Write as _};

use journey::{Journey, Quality, Stage};

use super::{kinds, origin, typical};
use crate::measure::{Measured, Series};
use crate::report;
use crate::target::TargetHop;
use crate::utc::rfc3339;

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
    glance(&mut out, &shown);
    for shown in &shown {
        kind(&mut out, shown);
    }
    hops(&mut out, &measured.hops, &shown);
    if let Some(tap) = &measured.tap {
        let table = report::packets::table(tap);
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

/// One kind of journeys and the one that stands for it.
struct Shown<'a> {
    kind: &'static str,
    series: &'a Series,
    journey: &'a Journey,
}

impl Shown<'_> {
    /// How many were made; not all of very many are kept.
    fn count(&self) -> usize {
        self.series.summary.as_ref().map_or(self.series.journeys.len(), |summary| summary.journeys)
    }

    /// The median of the totals, in nanoseconds; of a single journey its own.
    fn median(&self) -> u64 {
        self.series.summary.as_ref().map_or(self.journey.total_ns, |summary| summary.p50_ns)
    }
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

/// Each kind as one bar, divided by the chapter's lines; the chapter's own figures below them.
fn glance(out: &mut String, shown: &[Shown<'_>]) {
    out.push_str("<section aria-labelledby=\"glance\">\n<h2 id=\"glance\">Where the time goes</h2>\n<div class=\"glance\">\n");
    for shown in shown {
        let stages = Stage::ALL.map(|stage| (stage, shown.journey.sum(|part| part.stage == stage)));
        bar(out, shown.kind, &report::time(shown.median()), &stages);
    }
    let chapter = Stage::ALL.map(|stage| (stage, stage.chapter().unwrap_or_default()));
    let total: u64 = chapter.iter().map(|(_, ns)| ns).sum();
    bar(out, "the chapter", &format!("~{} ms", total / 1_000_000), &chapter);
    out.push_str("</div>\n<ul class=\"legend\">\n");
    for stage in Stage::ALL {
        let _ = writeln!(out, "<li><span class=\"swatch {}\"></span>{}</li>", stage.as_str(), stage.title());
    }
    out.push_str("</ul>\n<p class=\"note\">Every bar is a whole: compare shares, not lengths. The chapter's network is 15 ms away; this one has no wire.</p>\n</section>\n");
}

fn bar(out: &mut String, label: &str, total: &str, stages: &[(Stage, u64)]) {
    let sum: u64 = stages.iter().map(|(_, ns)| ns).sum();
    let words: Vec<String> = stages
        .iter()
        .filter(|(_, ns)| *ns > 0)
        .map(|(stage, ns)| format!("{} {}", stage.title(), share(*ns, sum)))
        .collect();
    let _ = write!(
        out,
        "<div class=\"row\"><span class=\"kind\">{label}</span><span class=\"whole\" role=\"img\" aria-label=\"{label}: {}\">",
        words.join(", ")
    );
    for (stage, ns) in stages.iter().filter(|(_, ns)| *ns > 0) {
        let _ = write!(
            out,
            "<span class=\"{}\" style=\"width:{:.3}%\" title=\"{}: {}, {}\"></span>",
            stage.as_str(),
            *ns as f64 * 100.0 / sum.max(1) as f64,
            stage.title(),
            report::time(*ns),
            share(*ns, sum)
        );
    }
    let _ = writeln!(out, "</span><span class=\"sum\">{total}</span></div>");
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
    let _ = writeln!(out, "<p class=\"counts\">{}</p>", Text(&report::counts(&shown.journey.counts)));
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

fn hops(out: &mut String, hops: &[TargetHop], shown: &[Shown<'_>]) {
    out.push_str(
        "<section aria-labelledby=\"hops\">\n<h2 id=\"hops\">The programs</h2>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"hops\" tabindex=\"0\">\n<table>\n<thead><tr><th scope=\"col\">program</th>\
         <th scope=\"col\">role</th><th scope=\"col\">listens on</th><th scope=\"col\">passes on to</th>\
         <th scope=\"col\">its time comes from</th>",
    );
    for shown in shown {
        let _ = write!(out, "<th scope=\"col\" class=\"number\">own time, {}</th>", shown.kind);
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for hop in hops {
        let listen: Vec<String> = hop.listen.iter().map(ToString::to_string).collect();
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"code\">{}</td><td>{}</td><td>{}</td>",
            Text(&hop.name),
            Text(&hop.role),
            Text(&listen.join(" ")),
            Text(&hop.onward.join(", ")),
            witness(hop, shown)
        );
        for shown in shown {
            let own = match shown.journey.parts.iter().any(|part| part.hop == hop.name) {
                true => report::time(shown.journey.sum(|part| part.hop == hop.name && part.kind.is_own())),
                false => "–".to_owned(),
            };
            let _ = write!(out, "<td class=\"number\">{own}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n<p class=\"note\">Own time: in the journeys shown above; – where they did not come by.</p>\n</section>\n");
}

/// How a hop's times were come by, in the journeys that are shown: the weakest counts.
fn witness(hop: &TargetHop, shown: &[Shown<'_>]) -> &'static str {
    if hop.opaque {
        return "its neighbours (it reports nothing)";
    }
    let parts = shown.iter().flat_map(|shown| &shown.journey.parts).filter(|part| part.hop == hop.name);
    match parts.map(|part| part.quality).max() {
        None => "–",
        Some(quality) => quality_words(quality),
    }
}

fn quality_words(quality: Quality) -> &'static str {
    match quality {
        Quality::Kernel => "the kernel's stamps",
        Quality::User => "its own stamps",
        Quality::Inferred => "its neighbours",
    }
}

fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 * 100.0 / whole.max(1) as f64)
}

const FOOT: &str = "<footer>\n<h2>How to read this</h2>\n\
<p>The parts of a journey follow one another without gap or overlap; what the browser has no name for stands as \
<em>unaccounted</em>. A <b>leg</b> is bytes under way between two programs; <b>self</b> is a program at work; \
<b>wait</b> is a program waiting for something of its own; <b>wake</b> is bytes waiting for a program to run; \
<b>opaque</b> is a program that reports nothing.</p>\n\
<p>All programs shared one machine's cores, and loopback has no wire: production is different. A debug build is \
several times slower than a release build.</p>\n</footer>\n";

/// Text in a page.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| match letter {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            letter => f.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests;
