//! The known name that a misspelt one was probably meant to be.

/// The name nearest to `given`, if it takes at most a third of its letters (and
/// at least one) to get there. Capitals do not count as a difference.
pub(super) fn of<'a>(given: &str, known: &[&'a str]) -> Option<&'a str> {
    // Longer than any field: not worth comparing, and input sets the cost.
    if given.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|name| (distance(given, name), *name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance in letters, by one row.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().map(|c| c.to_ascii_lowercase()).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, letter) in from.chars().map(|c| c.to_ascii_lowercase()).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (slot, other) in row.iter_mut().skip(1).zip(&to) {
            let above = *slot;
            let changed = diagonal + usize::from(letter != *other);
            left = changed.min(above + 1).min(left + 1);
            diagonal = above;
            *slot = left;
        }
    }
    if from.is_empty() {
        return to.len();
    }
    row.last().copied().unwrap_or_default()
}
