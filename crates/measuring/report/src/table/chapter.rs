//! The chapter's table: ten rows that add up, and a verdict. It fits a terminal of 80 columns and 24 lines.

use std::fmt::Write as _;

use journey::{Journey, Stage};
use measure::Series;

use crate::format::fit;
use crate::style::Style;

/// The width of the column that says which row it is.
const ROW: usize = 24;

/// One column of times: those of one journey, or the mean of those near the median of many, or of all of a few.
pub(super) struct Column<'a> {
    /// `cold`, `warm`, `from outside`.
    kind: &'a str,
    /// The request, and the response's status.
    title: String,
    /// What of many it is; of one journey nothing need be said.
    of: &'static str,
    /// As [`Stage::ALL`] has them.
    stages: [u64; Stage::ALL.len()],
    unaccounted_ns: i64,
    total_ns: u64,
}

impl<'a> Column<'a> {
    pub(super) fn of_journey(kind: &'a str, journey: &Journey) -> Self {
        Column {
            kind,
            title: title(journey),
            of: "",
            stages: Stage::ALL.map(|stage| journey.sum(|part| part.stage == stage)),
            unaccounted_ns: journey.unaccounted_ns,
            total_ns: journey.total_ns,
        }
    }

    /// `None` when no journey of the series can be used.
    pub(super) fn of_series(kind: &'a str, series: &Series) -> Option<Self> {
        let first = series.journeys.first()?;
        if is_one(series) {
            return Some(Self::of_journey(kind, first));
        }
        let decomposition = &series.summary.as_ref()?.decomposition;
        // Too few have no median.
        let (of, near) = match &decomposition.p50 {
            Some(near) => (" p50", near),
            None => (" mean", &decomposition.mean),
        };
        let spent = |stage: Stage| near.parts.iter().filter(move |part| part.row.stage == stage);
        Some(Column {
            kind,
            title: title(first),
            of,
            stages: Stage::ALL.map(|stage| spent(stage).map(|part| part.duration_ns).sum()),
            unaccounted_ns: near.unaccounted_ns,
            total_ns: near.total_ns,
        })
    }

    fn head(&self) -> String {
        format!("{}{}", self.kind, self.of)
    }

    /// The stages that took time, each with the chapter's figure, if it has one.
    fn judged(&self) -> impl Iterator<Item = (Stage, u64, u64)> {
        let took = Stage::ALL.into_iter().zip(self.stages).filter(|(_, took)| *took > 0);
        took.filter_map(|(stage, took)| Some((stage, took, stage.chapter()?)))
    }

    /// What the chapter's figures of these stages add up to.
    fn chapter(&self) -> u64 {
        self.judged().map(|(_, _, chapter)| chapter).sum()
    }

    fn verdict(&self) -> String {
        let chapter = self.chapter();
        let mut text = format!("{}: {} is ", self.head(), short(self.total_ns));
        match self.total_ns.checked_sub(chapter) {
            None | Some(0) => text += &format!("within the chapter's {}", milliseconds(chapter)),
            Some(more) => {
                text += &format!("over the chapter's {} by {}", milliseconds(chapter), short(more));
            }
        }
        let over = self.judged().filter(|(_, took, chapter)| took > chapter);
        let over: Vec<String> = over
            .map(|(stage, took, chapter)| format!("{} +{}", stage.title(), short(took - chapter)))
            .collect();
        match over.as_slice() {
            [] => text += "; every row is within its own",
            over => text += &format!("; over its own: {}", over.join(", ")),
        }
        text + "."
    }
}

/// Is it a table of one journey, which says more than percentiles of one?
pub(super) fn is_one(series: &Series) -> bool {
    series.journeys.len() == 1 && series.open_loop.is_none() && series.failures.is_none()
}

/// Two columns at most beside each other; the chapter's table is one of a first request, so the first is judged.
pub(super) fn table(out: &mut String, columns: &[Column<'_>], style: Style) {
    let [judged, ..] = columns else { return };
    let title: String = judged.title.chars().take(ROW + 2).collect();
    let mut head = format!("{title:<width$}", width = ROW + 2);
    for column in columns {
        let _ = write!(head, "{:>11}{:>8}", column.head(), "share");
    }
    let _ = writeln!(out, "{}", style.title(&format!("{head}{:>8}", "chapter")));
    for (at, stage) in Stage::ALL.into_iter().enumerate() {
        let times: Vec<_> = columns.iter().map(|column| signed(column, column.stages[at])).collect();
        let chapter = stage.chapter().filter(|_| columns.iter().any(|column| column.stages[at] > 0));
        line(out, stage.title(), &times, chapter.map(|chapter| (judged.stages[at], chapter, "")), style);
    }
    let rest: Vec<_> = columns.iter().map(|column| (column.unaccounted_ns, column.total_ns)).collect();
    line(out, "unaccounted", &rest, None, style);
    let totals: Vec<_> = columns.iter().map(|column| signed(column, column.total_ns)).collect();
    line(out, "total", &totals, Some((judged.total_ns, judged.chapter(), "~")), style);
    let _ = writeln!(out, "{}\n", style.title(fit(&judged.verdict()).trim_end()));
}

fn signed(column: &Column<'_>, nanoseconds: u64) -> (i64, u64) {
    (i64::try_from(nanoseconds).unwrap_or(i64::MAX), column.total_ns)
}

/// A row: times with their totals, and what the first took with the chapter's figure.
fn line(out: &mut String, what: &str, times: &[(i64, u64)], chapter: Option<(u64, u64, &str)>, style: Style) {
    let mut text = format!("  {what:<ROW$}");
    for (took, total) in times {
        let (time, share) = match took {
            0 => ("–".to_owned(), String::new()),
            _ => {
                let sign = if *took < 0 { "-" } else { "" };
                (format!("{sign}{}", short(took.unsigned_abs())), percent(*took, *total))
            }
        };
        let _ = write!(text, "{time:>11}{}", style.quiet(&format!("{share:>8}")));
    }
    if let Some((took, chapter, about)) = chapter {
        let _ = write!(text, "{:>8}", format!("{about}{}", milliseconds(chapter)));
        match took {
            0 => {}
            took if took <= chapter => text += &style.good("  within"),
            _ => text += &style.notable("  over"),
        }
    }
    let _ = writeln!(out, "{}", text.trim_end());
}

fn title(journey: &Journey) -> String {
    let status = journey.status.map_or_else(String::new, |status| format!(" → {status}"));
    format!("{}{status}", journey.name)
}

/// To the microsecond below ten seconds, so that it fits its column.
fn short(nanoseconds: u64) -> String {
    match nanoseconds {
        ..10_000_000_000 => crate::time(nanoseconds),
        _ => format!("{:.3} s", nanoseconds as f64 / 1e9),
    }
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{} ms", nanoseconds / 1_000_000)
}

fn percent(part: i64, total: u64) -> String {
    if total == 0 { String::new() } else { format!("{:.1} %", part as f64 * 100.0 / total as f64) }
}

#[cfg(test)]
mod tests;
