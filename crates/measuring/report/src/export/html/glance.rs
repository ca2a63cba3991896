//! Where the time goes, at a glance.

use std::fmt::Write as _;

use journey::Stage;

use super::shown::Shown;
use super::text::share;
use crate::format::time;

/// Each kind as one bar, divided by the chapter's lines; the chapter's own figures below them.
pub(super) fn write(out: &mut String, shown: &[Shown<'_>]) {
    out.push_str("<section aria-labelledby=\"glance\">\n<h2 id=\"glance\">Where the time goes</h2>\n<div class=\"glance\">\n");
    for shown in shown {
        let stages = Stage::ALL.map(|stage| (stage, shown.journey.sum(|part| part.stage == stage)));
        bar(out, shown.kind, &time(shown.median()), &stages);
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
            time(*ns),
            share(*ns, sum)
        );
    }
    let _ = writeln!(out, "</span><span class=\"sum\">{total}</span></div>");
}
