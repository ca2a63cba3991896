//! What was done because of a request, and that its response did not wait for: below the total, which is without it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use journey::{After, Journey, Line};

use super::label::{WHERE, label};
use crate::format::time;

/// Part by part.
pub(super) fn of_one(out: &mut String, journey: &Journey) {
    if journey.after.is_empty() && journey.outstanding == 0 {
        return;
    }
    out.push_str("  Done for it, and not waited for (in no figure above):\n");
    for after in &journey.after {
        let _ = writeln!(out, "  {}", line(after));
        for part in &after.parts {
            let row = Line {
                hop: part.hop.clone(),
                role: part.role.clone(),
                kind: part.kind,
                name: part.name.clone(),
                stage: part.stage,
                depth: part.depth + 1,
                duration_ns: part.duration_ns,
            };
            let (kind, took) = (part.kind.as_str(), time(part.duration_ns));
            let _ = writeln!(out, "  {:<WHERE$} {kind:<6} {took:>10}", label(&row));
        }
    }
    if journey.outstanding > 0 {
        let _ = writeln!(out, "  and {} more that had not been done, or reported, yet", journey.outstanding);
    }
}

/// One line: who did what, when, for how long, for how many requests, and whether it came to a good end.
pub(crate) fn line(after: &After) -> String {
    let After { hop, name, start_ns, duration_ns, requests, error, silent, .. } = after;
    let sign = if *start_ns < 0 { "-" } else { "" };
    let mut line = format!(
        "{hop}: {name}, begun at {sign}{}, took {}",
        time(start_ns.unsigned_abs()),
        time(*duration_ns)
    );
    if *requests > 1 {
        let _ = write!(line, ", for {requests} requests at once");
    }
    if let Some(error) = error {
        let _ = write!(line, "; failed ({error})");
    }
    if !silent.is_empty() {
        let _ = write!(line, "; {} did not report", silent.join(", "));
    }
    line
}

/// Of many journeys, what was done after how many of them.
pub(super) fn of_many(out: &mut String, journeys: &[Journey]) {
    let mut all: BTreeMap<(&str, &str), Vec<&After>> = BTreeMap::new();
    for after in journeys.iter().flat_map(|journey| &journey.after) {
        all.entry((&after.role, &after.name)).or_default().push(after);
    }
    for ((role, name), mut done) in all {
        done.sort_unstable_by_key(|after| after.duration_ns);
        let took = time(done[done.len() / 2].duration_ns);
        done.sort_unstable_by_key(|after| after.start_ns);
        let begun = time(done[done.len() / 2].start_ns.unsigned_abs());
        let (count, of) = (done.len(), journeys.len());
        let _ = writeln!(
            out,
            "  not waited for, and in no figure: {role}: {name}, {count} times for {of} journeys, begun at {begun}, took \
             {took} (medians)"
        );
    }
}
