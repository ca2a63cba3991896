//! What is kept of a measurement to compare it with others.

use std::collections::{BTreeSet, HashMap};

use journey::{Row, Stage, TraceId};

use crate::measured::{Measured, SCHEMA};
use crate::series::Series;

/// One measurement, with as much of it as a comparison needs.
#[derive(Clone, Debug)]
pub struct Run {
    pub(super) cold: Option<Samples>,
    pub(super) warm: Option<Samples>,
    pub(super) about: About,
    /// The processes that were measured: who has the same ones is of the same start.
    start: Vec<u32>,
    first: Option<TraceId>,
}

/// What must be alike for a difference to say something.
#[derive(Clone, Debug)]
pub(super) struct About {
    pub(super) build: String,
    pub(super) network: String,
    pub(super) hops: BTreeSet<String>,
    pub(super) cores: usize,
    pub(super) others_share: f64,
    pub(super) waited_per_second: f64,
}

/// The times of all journeys of one kind, in the order in which they were made.
#[derive(Clone, Debug)]
pub(super) struct Samples {
    pub(super) totals: Vec<u64>,
    order: Vec<Row>,
    rows: HashMap<Row, Vec<u64>>,
    /// So many journeys have parts that can be trusted.
    clean: usize,
    pub(super) about: AboutKind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct AboutKind {
    /// Tenths of requests per second; `None` one after the other.
    pub(super) rate: Option<u64>,
    /// Connections opened and re-used, TLS handshakes and DNS queries of most journeys.
    pub(super) counts: Option<[u32; 4]>,
    pub(super) flagged: usize,
    pub(super) failed: usize,
}

impl Run {
    /// What a comparison needs of a measurement.
    ///
    /// # Errors
    /// It is none of this form.
    pub fn of(measured: &Measured) -> anyhow::Result<Run> {
        anyhow::ensure!(measured.schema == SCHEMA, "{:?} is not the form {SCHEMA:?}", measured.schema);
        let opaque = |opaque| if opaque { " (opaque)" } else { "" };
        let mut start: Vec<u32> = measured.hops.iter().filter_map(|hop| hop.pid).collect();
        start.sort_unstable();
        Ok(Run {
            cold: measured.cold.as_ref().and_then(Samples::of),
            warm: measured.warm.as_ref().and_then(Samples::of),
            about: About {
                build: measured.build.clone(),
                network: measured.network.clone(),
                hops: measured.hops.iter().map(|hop| format!("{}{}", hop.name, opaque(hop.opaque))).collect(),
                cores: measured.machine.cores,
                others_share: measured.machine.others_share.unwrap_or(0.0),
                waited_per_second: measured.machine.waited_per_second.unwrap_or(0.0),
            },
            start,
            first: measured.journeys().next().map(|journey| journey.trace_id),
        })
    }
}

impl Run {
    /// The totals of its cold or warm journeys, in the order in which they were made.
    pub fn totals_of(&self, kind: &str) -> Option<&[u64]> {
        let samples = if kind == "cold" { &self.cold } else { &self.warm };
        samples.as_ref().map(|samples| samples.totals.as_slice())
    }
}

impl Samples {
    /// `None` when there are no journeys.
    fn of(series: &Series) -> Option<Samples> {
        let clean: Vec<_> = series.clean().collect();
        let mut order: Vec<Row> =
            series.summary.iter().flat_map(|summary| &summary.parts).map(|part| part.row.clone()).collect();
        let mut rows: HashMap<Row, Vec<u64>> = HashMap::new();
        for (at, journey) in clean.iter().enumerate() {
            for part in &journey.parts {
                let row = Row::of(part, journey);
                let times = rows.entry(row).or_insert_with(|| vec![0; clean.len()]);
                times[at] += part.duration_ns;
            }
        }
        // Rows that only journeys have which were not kept: nothing can be compared there.
        order.retain(|row| rows.contains_key(row));
        let summary = series.summary.as_ref();
        let usual = summary.and_then(|summary| summary.counts.first()).map(|shared| shared.counts);
        Some(Samples {
            totals: series.journeys.iter().map(|journey| journey.total_ns).collect(),
            order,
            rows,
            clean: clean.len(),
            about: AboutKind {
                rate: series.open_loop.as_ref().map(|run| (run.wanted_per_second * 10.0).round() as u64),
                counts: usual.map(|counts| {
                    [
                        counts.connections_opened,
                        counts.connections_reused,
                        counts.tls_handshakes,
                        counts.dns_queries,
                    ]
                }),
                flagged: summary.map_or(series.journeys.len(), |summary| summary.flagged),
                failed: series.failures.count + series.open_loop.as_ref().map_or(0, |run| run.failed),
            },
        })
        .filter(|samples| !samples.totals.is_empty())
    }

    /// The times of one row, of every journey whose parts can be trusted.
    pub(super) fn row(&self, row: &Row) -> Vec<u64> {
        self.rows.get(row).cloned().unwrap_or_else(|| vec![0; self.clean])
    }

    /// The times of all parts of a stage, likewise.
    pub(super) fn stage(&self, stage: Stage) -> Vec<u64> {
        let mut sums = vec![0; self.clean];
        for (_, times) in self.rows.iter().filter(|(row, _)| row.stage == stage) {
            sums.iter_mut().zip(times).for_each(|(sum, time)| *sum += time);
        }
        sums
    }

    fn append(&mut self, other: &Samples) {
        let (before, more) = (self.clean, other.clean);
        for row in &other.order {
            if !self.rows.contains_key(row) {
                self.order.push(row.clone());
                self.rows.insert(row.clone(), vec![0; before]);
            }
        }
        for (row, times) in &mut self.rows {
            match other.rows.get(row) {
                Some(others) => times.extend(others),
                None => times.resize(before + more, 0),
            }
        }
        self.totals.extend(&other.totals);
        self.clean += more;
    }
}

/// All rows of these runs, in the order in which a journey passes them.
pub(super) fn rows<'a>(runs: impl Iterator<Item = &'a Samples>) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for row in runs.flat_map(|run| &run.order) {
        if !rows.contains(row) {
            rows.push(row.clone());
        }
    }
    rows.sort_by_key(|row| row.stage);
    rows
}

/// Is a measurement there more than once? That would look like a second run without any scatter.
pub(super) fn twice(runs: &[Run]) -> bool {
    let firsts: Vec<TraceId> = runs.iter().filter_map(|run| run.first).collect();
    (1..firsts.len()).any(|at| firsts[..at].contains(&firsts[at]))
}

/// The runs, those of one start of the programs put together: they are one.
pub(super) fn by_start(runs: &[Run]) -> Vec<Run> {
    let mut starts: Vec<Run> = Vec::new();
    for run in runs {
        match starts.iter_mut().find(|start| !run.start.is_empty() && start.start == run.start) {
            None => starts.push(run.clone()),
            Some(start) => {
                for (kind, more) in [(&mut start.cold, &run.cold), (&mut start.warm, &run.warm)] {
                    match (kind.as_mut(), more) {
                        (Some(kind), Some(more)) => kind.append(more),
                        (None, Some(more)) => *kind = Some(more.clone()),
                        _ => {}
                    }
                }
            }
        }
    }
    starts
}
