//! Each row of the table, and the round-trip time that it implies.
//!
//! Pure: counts in, verdicts out.

use journey::Stage;
use serde::Serialize;

use measure::round_trips::Counted;

/// Does a row agree with the one that fixes the round-trip time?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// This row says how long a round trip is.
    Basis,
    /// It can be true together with the others.
    Agrees,
    /// It has less time than its round trips take.
    TooShort,
    /// It has so much time that its round trips do not explain it.
    TooLong,
    /// The user's distance has nothing to do with it.
    Independent,
    /// It could not be counted here.
    NotCounted,
}

impl Verdict {
    /// The words used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Basis => "fixes the round trip",
            Verdict::Agrees => "agrees",
            Verdict::TooShort => "cannot be",
            Verdict::TooLong => "does not follow",
            Verdict::Independent => "independent",
            Verdict::NotCounted => "not counted",
        }
    }
}

/// A row of the table under one reading of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The row as the chapter names it.
    pub step: &'static str,
    /// How the row is read.
    pub case: &'static str,
    /// What the chapter says that it takes.
    pub chapter_ms: f64,
    /// Round trips between the user and somebody else; a half is one way.
    pub round_trips: Option<f64>,
    /// What so many round trips take.
    pub needs_ms: Option<f64>,
    /// How long a round trip would be if this row were right.
    pub implied_round_trip_ms: Option<f64>,
    /// Whether the row is possible.
    pub verdict: Verdict,
    /// The reason, in one sentence.
    pub why: String,
}

/// The chapter's table, row by row, beside what its round trips allow.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// The round trip that the row of the TCP handshake implies.
    pub round_trip_ms: f64,
    /// In the chapter's order; a row with several readings has one for each.
    pub rows: Vec<Row>,
    /// What the chapter's rows add up to.
    pub chapter_ms: f64,
    /// The same table with this round trip: with TLS 1.2, with TLS 1.3, and warm.
    pub consistent_tls12_ms: Option<f64>,
    /// The same with TLS 1.3.
    pub consistent_tls13_ms: Option<f64>,
    /// When name and connection are there already.
    pub consistent_warm_ms: f64,
}

fn chapter(stage: Stage) -> f64 {
    stage.chapter().unwrap_or(0) as f64 / 1e6
}

/// Judges the rows by what was counted.
pub fn audit(counted: &Counted) -> Audit {
    let tcp = counted.tcp.unwrap_or(1).max(1);
    let round_trip_ms = chapter(Stage::Tcp) / f64::from(tcp);
    let one_way = f64::from(counted.request) / 2.0;
    let rows = [
        names(counted),
        vec![handshake(counted, round_trip_ms)],
        tls(counted, round_trip_ms),
        vec![
            on_the_way(Stage::ToLoadBalancer, one_way, round_trip_ms),
            inside(Stage::ToPod, "from lb to pod", counted.legs_to_pod),
            inside(Stage::Application, "the pod's own questions", counted.legs_of_pod),
            on_the_way(Stage::Response, one_way, round_trip_ms),
        ],
    ]
    .concat();
    let inside = chapter(Stage::ToPod) + chapter(Stage::Application);
    let warm = f64::from(counted.request) * round_trip_ms + inside;
    let first = |tls: Option<u32>| {
        let handshakes = f64::from(tcp) + f64::from(tls?);
        Some(chapter(Stage::Dns) + handshakes * round_trip_ms + warm)
    };
    Audit {
        round_trip_ms,
        rows,
        chapter_ms: Stage::ALL.into_iter().map(chapter).sum(),
        consistent_tls12_ms: first(counted.tls12),
        consistent_tls13_ms: first(counted.tls13),
        consistent_warm_ms: warm,
    }
}

/// A row whose time is `round_trips` of `round_trip_ms` and a little work.
fn row(
    stage: Stage,
    case: &'static str,
    round_trips: f64,
    round_trip_ms: f64,
    why: impl FnOnce(Verdict) -> String,
) -> Row {
    let (chapter_ms, needs_ms) = (chapter(stage), round_trips * round_trip_ms);
    let verdict = if needs_ms > chapter_ms {
        Verdict::TooShort
    // Half a round trip or more is left over, and nothing that takes it.
    } else if chapter_ms - needs_ms >= round_trip_ms / 2.0 {
        Verdict::TooLong
    } else {
        Verdict::Agrees
    };
    Row {
        step: stage.title(),
        case,
        chapter_ms,
        round_trips: Some(round_trips),
        needs_ms: Some(needs_ms),
        implied_round_trip_ms: (round_trips > 0.0).then(|| chapter_ms / round_trips),
        verdict,
        why: why(verdict),
    }
}

/// "5ms (cached)": where? The resolver may be nearer than the shop, so this row has a distance of its own.
fn names(counted: &Counted) -> Vec<Row> {
    let chapter_ms = chapter(Stage::Dns);
    let resolver_ms = chapter_ms / f64::from(counted.dns_resolver_knows.max(1));
    let said = |case, questions: u32, why: &dyn Fn(Verdict) -> String| {
        row(Stage::Dns, case, f64::from(questions), resolver_ms, why)
    };
    vec![
        said("the browser knows it", counted.dns_browser_knows, &|_| {
            format!("with {} queries there is nothing to wait for", counted.dns_browser_knows)
        }),
        said("the resolver knows it", counted.dns_resolver_knows, &|_| {
            format!(
                "{} question to a resolver whose round trip is {resolver_ms} ms; the shop's is another",
                counted.dns_resolver_knows
            )
        }),
        said("walked from the root", counted.dns_walk, &|_| {
            format!(
                "{} queries, one after the other, to servers no nearer than the resolver: the chapter says \
                 \"cached\", and must",
                counted.dns_walk
            )
        }),
    ]
}

fn handshake(counted: &Counted, round_trip_ms: f64) -> Row {
    let Some(tcp) = counted.tcp else {
        return not_counted(
            Stage::Tcp,
            "SYN, SYN-ACK",
            "this kernel does not count segments; one is assumed",
        );
    };
    let why = |_| format!("{tcp} answer was waited for, so a round trip to the shop is {round_trip_ms} ms");
    let row = row(Stage::Tcp, "SYN, SYN-ACK", f64::from(tcp), round_trip_ms, why);
    Row { verdict: Verdict::Basis, ..row }
}

fn tls(counted: &Counted, round_trip_ms: f64) -> Vec<Row> {
    let said = |case, turns: Option<u32>| {
        let Some(turns) = turns else {
            return not_counted(Stage::Tls, case, "the load balancer refuses it");
        };
        row(Stage::Tls, case, f64::from(turns), round_trip_ms, |verdict| match verdict {
            Verdict::TooLong => {
                format!(
                    "{turns} round trip explains {} ms, nothing the rest",
                    f64::from(turns) * round_trip_ms
                )
            }
            Verdict::TooShort => format!("{turns} round trips take longer than the whole row"),
            _ => format!("{turns} round trips fill the row: the chapter's table is one of {case}"),
        })
    };
    vec![said("TLS 1.2", counted.tls12), said("TLS 1.3", counted.tls13)]
}

/// Request and response: together the round trips that were counted, so each is half of that.
fn on_the_way(stage: Stage, round_trips: f64, round_trip_ms: f64) -> Row {
    row(stage, "one way", round_trips, round_trip_ms, |verdict| match verdict {
        Verdict::TooShort => "half a round trip is longer than the whole row, before any work".to_owned(),
        _ => "half a round trip fits".to_owned(),
    })
}

/// Inside the cluster: other wires, whose length the table does not say.
fn inside(stage: Stage, case: &'static str, legs: u32) -> Row {
    let chapter_ms = chapter(stage);
    Row {
        step: stage.title(),
        case,
        chapter_ms,
        round_trips: Some(0.0),
        needs_ms: Some(0.0),
        implied_round_trip_ms: None,
        verdict: Verdict::Independent,
        why: format!("{legs} legs inside the cluster and the work on the way: no row contradicts it"),
    }
}

fn not_counted(stage: Stage, case: &'static str, why: &str) -> Row {
    Row {
        step: stage.title(),
        case,
        chapter_ms: chapter(stage),
        round_trips: None,
        needs_ms: None,
        implied_round_trip_ms: None,
        verdict: Verdict::NotCounted,
        why: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
