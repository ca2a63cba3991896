//! "Did you mean …?"

/// The candidate that is closest to `word`, if it is close enough to be what was meant.
///
/// Close is at most a third of the word's letters changed, added, lost or swapped with a neighbour
/// (restricted Damerau-Levenshtein distance), or a candidate that begins with the word.
pub(crate) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |candidate: &str| {
        let limit = (word.chars().count().max(candidate.chars().count()) / 3).max(1);
        let steps = distance(word, candidate);
        let begins = word.len() >= 2 && candidate.starts_with(word);
        (steps <= limit || begins).then_some(steps)
    };
    candidates
        .into_iter()
        .filter_map(|candidate| near(candidate).map(|steps| (steps, candidate)))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added, removed or swapped with their neighbour.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Row i holds the distances of a's first i letters to every beginning of b.
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
