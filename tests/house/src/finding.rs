//! What a rule says when it is broken.

use std::fmt;

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The rule's room in this crate, such as `floors`.
    pub rule: &'static str,
    /// The crate, or the file with its line.
    pub place: String,
    /// What is wrong and what would be right.
    pub sentence: String,
}

impl Finding {
    pub(crate) fn new(
        rule: &'static str,
        place: impl Into<String>,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            place: place.into(),
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.rule, self.place, self.sentence)
    }
}
