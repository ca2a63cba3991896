//! A budget's verdicts as a JUnit report, the XML that CI systems read.
//!
//! There is no standard; what is written here is what all of them understand: `testsuites` with one
//! `testsuite`, counts as attributes, one `testcase` per line of the budget, in it at most one of
//! `failure`, `error` or `skipped`. A case's `time` is what was measured, so that a CI system's trend of
//! durations is the trend of that hop.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// How a case ended, with the sentence that says why.
pub enum Ended {
    /// As it should be.
    Passed(String),
    /// Not as it should be.
    Failed(String),
    /// Neither passed nor failed.
    Skipped(String),
    /// It could not be tried.
    Error(String),
}

/// One test case.
pub struct Case {
    /// As a CI system lists it.
    pub name: String,
    /// What was measured, in seconds.
    pub seconds: f64,
    /// With the sentence that says why.
    pub ended: Ended,
}

/// The report; `now` in nanoseconds since the Unix epoch.
pub fn report(cases: &[Case], properties: &[(&str, String)], now: u64) -> String {
    let count = |is: fn(&Ended) -> bool| cases.iter().filter(|case| is(&case.ended)).count();
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.6}\"",
        cases.len(),
        count(|ended| matches!(ended, Ended::Failed(_))),
        count(|ended| matches!(ended, Ended::Error(_))),
        count(|ended| matches!(ended, Ended::Skipped(_))),
        cases.iter().map(|case| case.seconds).sum::<f64>(),
    );
    let mut out = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"lab\" {counts}>\n");
    let (time, host) = (timestamp(now / 1_000_000_000), escaped(&hostname()));
    let _ = writeln!(
        out,
        "  <testsuite name=\"lab check\" timestamp=\"{time}\" hostname=\"{host}\" id=\"0\" {counts}>"
    );
    out.push_str("    <properties>\n");
    for (name, value) in properties {
        let _ = writeln!(out, "      <property name=\"{name}\" value=\"{}\"/>", escaped(value));
    }
    out.push_str("    </properties>\n");
    for case in cases {
        let _ = write!(
            out,
            "    <testcase classname=\"lab.budget\" name=\"{}\" time=\"{:.6}\">",
            escaped(&case.name),
            case.seconds
        );
        let _ = match &case.ended {
            Ended::Passed(why) => write!(out, "<system-out>{}</system-out>", escaped(why)),
            Ended::Failed(why) => {
                let why = escaped(why);
                write!(out, "<failure type=\"over budget\" message=\"{why}\">{why}</failure>")
            }
            Ended::Skipped(why) => write!(out, "<skipped message=\"{}\"/>", escaped(why)),
            Ended::Error(why) => {
                let why = escaped(why);
                write!(out, "<error type=\"not measured\" message=\"{why}\">{why}</error>")
            }
        };
        out.push_str("</testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// Text as it may stand in an attribute or an element; characters that XML 1.0 cannot hold become `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('?'),
            letter if letter.is_control() => out.push('?'),
            letter => out.push(letter),
        }
    }
    out
}

fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}

/// `2026-11-23T01:34:29`, in UTC, as the schemas want it.
fn timestamp(seconds: u64) -> String {
    const SECONDS: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let date =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    date.unwrap_or(OffsetDateTime::UNIX_EPOCH).format(SECONDS).unwrap_or_default()
}

#[cfg(test)]
mod tests;
