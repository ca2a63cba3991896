//! "Did you mean …?"

/// The candidate that is closest to `word`, if it is close enough to be what was meant.
///
/// Close is at most a third of the word's letters changed, added, lost or swapped with a neighbour
/// (optimal string alignment distance), or a candidate that begins with the word.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &str| {
        let limit = (word.chars().count().max(candidate.chars().count()) / 3).max(1);
        let steps = strsim::osa_distance(word, candidate);
        let begins = word.len() >= 2 && candidate.starts_with(word);
        (steps <= limit || begins).then_some(steps)
    };
    candidates
        .into_iter()
        .filter_map(|candidate| near(candidate).map(|steps| (steps, candidate)))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}
