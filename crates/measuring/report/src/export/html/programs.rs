//! The programs, each with its own time.

use std::fmt::Write as _;

use measure::TargetHop;

use super::shown::Shown;
use super::text::{Text, quality_words};
use crate::format::time;

pub(super) fn write(out: &mut String, hops: &[TargetHop], shown: &[Shown<'_>]) {
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
            time_source(hop, shown)
        );
        for shown in shown {
            let own = match shown.journey.parts.iter().any(|part| part.hop == hop.name) {
                true => time(shown.journey.sum(|part| part.hop == hop.name && part.kind.is_own())),
                false => "–".to_owned(),
            };
            let _ = write!(out, "<td class=\"number\">{own}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n<p class=\"note\">Own time: in the journeys shown above; – where they did not come by.</p>\n</section>\n");
}

/// How a hop's times were come by, in the journeys that are shown: the weakest counts.
fn time_source(hop: &TargetHop, shown: &[Shown<'_>]) -> &'static str {
    if hop.opaque {
        return "its neighbours (it reports nothing)";
    }
    let parts = shown.iter().flat_map(|shown| &shown.journey.parts).filter(|part| part.hop == hop.name);
    match parts.map(|part| part.quality).max() {
        None => "–",
        Some(quality) => quality_words(quality),
    }
}
