//! A connection is made: what of it was the way there and back, as the kernel measured it.

use super::{Owner, Tiler};
use crate::part::{Anomaly, PartKind};
use crate::semconv::{attribute, name};
use crate::span::Span;
use crate::stamp::Quality;

/// The kernel counts round trips in microseconds.
const GRAIN: u64 = 1_000;

impl Tiler<'_> {
    /// The time in which a program made a connection is its own, but for the round trip, and for the time from then until
    /// it ran again, if it had waited. Where the kernel has measured nothing, it is all the owner's.
    pub(super) fn connects(&mut self, span: &Span, owner: Owner<'_>, limit: u64) {
        let after = |key| span.whole::<u64>(key).map(|ns| span.start.saturating_add(ns));
        let end = span.end.min(limit);
        let mut rest = owner;
        if let (Some(called), Some(round_trip)) =
            (after(attribute::CONNECT_CALLED_NS), span.whole::<u64>(attribute::CONNECT_ROUND_TRIP_NS))
        {
            if owner.kind == PartKind::Leg {
                rest.kind = PartKind::Own;
            }
            let came = called.saturating_add(round_trip);
            if came > span.end.saturating_add(GRAIN) {
                let what = format!("the round trip of {} ends after it", span.name);
                self.anomalies.push(Anomaly { hop: owner.hop.to_owned(), what, by_ns: came - span.end });
            }
            let leg =
                Owner { kind: PartKind::Leg, name: name::TCP_ROUND_TRIP, quality: Quality::Kernel, ..owner };
            self.reach(called.min(end), rest);
            self.reach(came.min(end), leg);
            if let Some(woken) = after(attribute::CONNECT_WOKEN_NS) {
                self.reach(woken.min(end), Owner { kind: PartKind::Wake, name: name::WAKE_UP, ..owner });
            }
        }
        self.until(end.max(self.cursor), rest);
    }

    /// As `until`, for a moment that may have passed: the connection may have been begun before it was waited for.
    fn reach(&mut self, moment: u64, owner: Owner<'_>) {
        if moment > self.cursor {
            self.until(moment, owner);
        }
    }
}
