//! Who misreports: stamps that cannot be true, and stamps that are always too good to be.
//!
//! A program stamps before it writes and after it has read. So, whatever the machine is busy with, the
//! packet leaves *after* the write's stamp and arrives *before* the read's. A program whose clock is
//! off, or who shifts its times, breaks one of the two whichever way the shift goes; one that stamps
//! more time than it took breaks both.
//!
//! One that stamps *less* (reads stamped late, writes early) breaks neither: any single one may have
//! been a slow wake-up. But not all of them: among several of an honest program's stamps there is one
//! that lies close to its packet, and on a machine so busy that there is none, the others' stamps show it.

use std::collections::BTreeMap;

use journey::Event;

use super::figures::{distance, median};
use crate::reported::ReportedStamp;
use crate::streams::Streams;

/// Two readings of one clock on two processors may differ by this much, in nanoseconds, and more.
const TOLERANCE: i64 = 5_000;
/// A program whose stamps all lie further from their packets than this, in nanoseconds…
const FAR_NS: i64 = 200_000;
/// … and this many times further than the median of everyone's, reports too little time…
const FURTHER: i64 = 5;
/// … when there are so many of them.
const MIN_STAMPS: usize = 8;

/// What is known of one program's stamps.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    pub(super) stamps: usize,
    pub(super) unseen: usize,
    pub(super) impossible: usize,
    pub(super) why: Option<String>,
}

/// All reported stamps: by how much each lies on the possible side of its packet, in nanoseconds.
#[derive(Default)]
pub(super) struct Margins {
    unseen: BTreeMap<String, usize>,
    margins: BTreeMap<(String, Event), Vec<i64>>,
}

impl Margins {
    pub(super) fn add(&mut self, entry: &ReportedStamp, streams: &Streams) {
        let stamp = &entry.stamp;
        let passed = streams.passed(stamp);
        let margin = match stamp.event {
            Event::Tx => passed.out.map(|out| distance(out, stamp.at)),
            // It is about the connection, not about these bytes.
            Event::Accept => return,
            Event::Rx | Event::Wake => passed.arrived.map(|arrived| distance(stamp.at, arrived)),
        };
        match margin {
            Some(margin) => {
                self.margins.entry((entry.hop.clone(), stamp.event)).or_default().push(margin);
            }
            None => *self.unseen.entry(entry.hop.clone()).or_default() += 1,
        }
    }

    pub(super) fn verdicts(self) -> BTreeMap<String, Verdict> {
        let mut verdicts: BTreeMap<String, Verdict> = BTreeMap::new();
        for (hop, unseen) in &self.unseen {
            let verdict = verdicts.entry(hop.clone()).or_default();
            (verdict.stamps, verdict.unseen) = (*unseen, *unseen);
        }
        let mut usual: BTreeMap<Event, i64> = BTreeMap::new();
        for event in [Event::Tx, Event::Rx, Event::Wake] {
            let of_event = self.margins.iter().filter(|((_, of), _)| *of == event);
            let mut all: Vec<i64> = of_event.flat_map(|(_, margins)| margins).copied().collect();
            usual.insert(event, median(&mut all).unwrap_or(0));
        }
        for ((hop, event), margins) in self.margins {
            let verdict = verdicts.entry(hop).or_default();
            verdict.stamps += margins.len();
            let impossible = margins.iter().filter(|margin| **margin < -TOLERANCE).count();
            verdict.impossible += impossible;
            let nearest = margins.iter().copied().min().unwrap_or(0);
            let far = nearest > FAR_NS.max(usual[&event].saturating_mul(FURTHER));
            let finding = if impossible > 0 {
                Some(format!(
                    "{impossible} of {} {}, by up to {}",
                    margins.len(),
                    match event {
                        Event::Tx => "writes are stamped after the packet had left",
                        Event::Rx => "arrivals are stamped before the packet was there",
                        Event::Accept | Event::Wake => "reads are stamped before the packet was there",
                    },
                    micros(-nearest)
                ))
            } else {
                (far && margins.len() >= MIN_STAMPS).then(|| {
                    format!(
                        "all {} {} by {} or more",
                        margins.len(),
                        match event {
                            Event::Tx => "writes are stamped before the packet left,",
                            Event::Rx | Event::Accept | Event::Wake =>
                                "reads are stamped after the packet was there,",
                        },
                        micros(nearest)
                    )
                })
            };
            if let Some(finding) = finding {
                let why = verdict.why.take().map_or_else(String::new, |why| why + "; ");
                verdict.why = Some(why + &finding);
            }
        }
        verdicts
    }
}

fn micros(nanoseconds: i64) -> String {
    format!("{:.1} µs", nanoseconds as f64 / 1e3)
}
