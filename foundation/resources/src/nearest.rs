//! The known name that a misspelt one most likely means.

/// The candidate with the fewest edits (insert, remove, replace), if they are
/// at most a third of its length.
pub(crate) fn nearest<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A name longer than any real one is not worth the work.
    if text.len() > 64 {
        return None;
    }
    let text = text.to_lowercase();
    known
        .map(|name| (distance(&text, &name.to_lowercase()), name))
        .filter(|(edits, name)| *edits <= (name.len() / 3).max(1))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance, one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.chars()) {
            let replace = diagonal + usize::from(left != right);
            diagonal = *cell;
            before = replace.min(before + 1).min(*cell + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
