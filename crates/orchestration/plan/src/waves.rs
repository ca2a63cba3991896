//! Who waits for whom: the order in which hops start.

use crate::hop::{Hop, HopId};

/// Hops in waves: each needs only hops of earlier waves. The hops must not wait in a circle.
pub(crate) fn waves(hops: &[Hop]) -> Vec<Vec<HopId>> {
    let mut waves: Vec<Vec<HopId>> = Vec::new();
    let mut placed = vec![false; hops.len()];
    while placed.contains(&false) {
        let next: Vec<HopId> = (0..hops.len())
            .filter(|index| !placed[*index] && hops[*index].needs().iter().all(|need| placed[need.0]))
            .map(HopId)
            .collect();
        if next.is_empty() {
            break;
        }
        next.iter().for_each(|id| placed[id.0] = true);
        waves.push(next);
    }
    waves
}

/// A circle of hops that wait for each other, by name, if there is one.
pub(crate) fn circle(hops: &[Hop]) -> Option<Vec<&str>> {
    let mut free: Vec<bool> = vec![false; hops.len()];
    waves(hops).iter().flatten().for_each(|id| free[id.0] = true);
    let mut at = free.iter().position(|free| !free)?;
    let mut way = Vec::new();
    while !way.contains(&at) {
        way.push(at);
        // Whoever is not free needs somebody who is not free either.
        at = hops[at].needs().iter().map(|need| need.0).find(|need| !free[*need])?;
    }
    let begin = way.iter().position(|index| *index == at)?;
    Some(way[begin..].iter().chain([&at]).map(|index| hops[*index].name.as_str()).collect())
}
