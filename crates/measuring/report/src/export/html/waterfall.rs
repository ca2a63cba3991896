//! One journey: a table whose last column is a waterfall.

use std::fmt::Write as _;

use journey::{Journey, Part, PartKind, Stage};

use super::text::{Text, quality_words, share};
use crate::format::time;
use crate::table::after::line;

/// What is narrower, in percent of the journey, would not be seen.
const NARROWEST: f64 = 0.15;

pub(super) fn write(out: &mut String, kind: &str, journey: &Journey, of_many: bool) {
    let which = if of_many { "The journey in the middle" } else { "The journey" };
    let _ = write!(
        out,
        "<h3 id=\"{kind}-parts\">{which}: {}</h3>\n<p class=\"note\">trace {}</p>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"{kind}-parts\" tabindex=\"0\">\n<table class=\"waterfall\">\n\
         <thead><tr><th scope=\"col\">who, what</th><th scope=\"col\">kind</th><th scope=\"col\" class=\"number\">time</th>\
         <th scope=\"col\" class=\"number\">share</th><th scope=\"col\" class=\"number\">chapter</th>\
         <th scope=\"col\" class=\"track\">when, from 0 to {}</th></tr></thead>\n",
        time(journey.total_ns),
        journey.trace_id,
        time(journey.total_ns)
    );
    for run in journey.parts.chunk_by(|one, next| one.stage == next.stage) {
        stage(out, run, journey);
    }
    let sign = if journey.unaccounted_ns < 0 { "−" } else { "" };
    let unaccounted = journey.unaccounted_ns.unsigned_abs();
    let chapter: u64 = Stage::ALL.iter().filter_map(|stage| stage.chapter()).sum();
    let _ = write!(
        out,
        "<tfoot><tr><th scope=\"row\">unaccounted</th><td></td><td class=\"number\">{sign}{}</td><td class=\"number\">{}</td><td></td><td></td></tr>\n\
         <tr><th scope=\"row\">total</th><td></td><td class=\"number\">{}</td><td></td><td class=\"number\">~{} ms</td><td></td></tr></tfoot>\n\
         </table>\n</div>\n",
        time(unaccounted),
        share(unaccounted, journey.total_ns),
        time(journey.total_ns),
        chapter / 1_000_000
    );
    after(out, kind, journey);
}

/// What was done because of it, and that nobody waited for.
fn after(out: &mut String, kind: &str, journey: &Journey) {
    if journey.after.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<h3 id=\"{kind}-after\">Done for it, and not waited for</h3>\n<p class=\"note\">In no figure above.</p>\n\
         <div class=\"scroll\" role=\"region\" aria-labelledby=\"{kind}-after\" tabindex=\"0\">\n<table class=\"waterfall\">\n\
         <thead><tr><th scope=\"col\">who, what</th><th scope=\"col\">kind</th><th scope=\"col\" class=\"number\">time</th>\
         <th scope=\"col\" class=\"number\">share</th><th></th><th scope=\"col\" class=\"track\">when</th></tr></thead>\n"
    );
    for after in &journey.after {
        let _ = write!(
            out,
            "<tbody class=\"application\">\n<tr class=\"stage\"><th scope=\"rowgroup\" colspan=\"6\">{}</th></tr>\n",
            Text(&line(after))
        );
        after.parts.iter().for_each(|part| self::part(out, part, after.duration_ns));
        out.push_str("</tbody>\n");
    }
    out.push_str("</table>\n</div>\n");
}

/// Parts that belong to one line of the chapter's budget.
fn stage(out: &mut String, run: &[Part], journey: &Journey) {
    let stage = run[0].stage;
    let sum: u64 = run.iter().map(|part| part.duration_ns).sum();
    let chapter = stage.chapter().map_or_else(String::new, |ns| format!("{} ms", ns / 1_000_000));
    let _ = write!(
        out,
        "<tbody class=\"{0}\">\n<tr class=\"stage\"><th scope=\"rowgroup\"><span class=\"swatch {0}\"></span>{1}</th><td></td>\
         <td class=\"number\">{2}</td><td class=\"number\">{3}</td><td class=\"number\">{chapter}</td><td class=\"track\">",
        stage.as_str(),
        stage.title(),
        time(sum),
        share(sum, journey.total_ns)
    );
    bar(out, "all", run[0].start_ns, sum, journey.total_ns);
    out.push_str("</td></tr>\n");
    for part in run {
        self::part(out, part, journey.total_ns);
    }
    out.push_str("</tbody>\n");
}

fn part(out: &mut String, part: &Part, total: u64) {
    let _ = write!(
        out,
        "<tr title=\"from {from} to {to}; known by {by}\"><th scope=\"row\" style=\"--depth:{depth}\">{label}</th>\
         <td><span class=\"chip {kind}\">{kind}</span></td><td class=\"number\">{took}</td>\
         <td class=\"number\">{share}</td><td></td><td class=\"track\">",
        from = time(part.start_ns),
        to = time(part.start_ns + part.duration_ns),
        by = quality_words(part.quality),
        depth = part.depth.min(8),
        label = label(part),
        kind = part.kind.as_str(),
        took = time(part.duration_ns),
        share = share(part.duration_ns, total),
    );
    bar(out, part.kind.as_str(), part.start_ns, part.duration_ns, total);
    out.push_str("</td></tr>\n");
}

/// Who did what; a leg's name says both ends.
fn label(part: &Part) -> String {
    match part.name.as_str() {
        "" => Text(&part.hop).to_string(),
        name if part.kind == PartKind::Leg && name.contains('→') => Text(name).to_string(),
        name => format!("{} <span class=\"what\">{}</span>", Text(&part.hop), Text(name)),
    }
}

/// A bar in a column that stands for the whole journey.
fn bar(out: &mut String, class: &str, start: u64, duration: u64, total: u64) {
    let percent = |ns: u64| ns as f64 * 100.0 / total.max(1) as f64;
    let width = percent(duration).clamp(NARROWEST, 100.0);
    let left = percent(start).min(100.0 - width);
    let _ = write!(out, "<span class=\"bar {class}\" style=\"left:{left:.3}%;width:{width:.3}%\"></span>");
}
