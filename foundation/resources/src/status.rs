//! What was honoured and what was not: findings, for people and for status.
//!
//! A finding names its place so exactly that nobody has to search: source,
//! line, object, field. It never holds a whole document.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something that was said does not hold: refused, or kept as it was.
    Error,
    /// Something that was said has no effect here.
    Warning,
}

impl Severity {
    /// The word in status and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that a source said and that is not honoured as said.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, or another source's name.
    pub source: String,
    /// The line in it, from 1; 0 when there is none.
    pub line: u64,
    /// `Kind namespace/name`, or `document N` before that is known.
    pub object: String,
    /// The path of the field, such as `spec.ports[0].protocol`; may be empty.
    pub field: String,
    /// What is wrong and what is allowed, in one line.
    pub message: String,
}

impl Finding {
    /// A finding that has no line of its own.
    #[must_use]
    pub fn new(severity: Severity, source: &str, object: &str, field: &str, message: &str) -> Self {
        Self {
            severity,
            source: one_line(source, MAX_SOURCE),
            line: 0,
            object: one_line(object, MAX_OBJECT),
            field: one_line(field, MAX_FIELD),
            message: one_line(message, MAX_MESSAGE),
        }
    }
}

/// At most `most` characters of a text that someone else wrote, for people: what
/// moves a terminal's cursor or turns its text around is escaped.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let mut line = String::with_capacity(text.len().min(most));
    for character in text.chars().take(most) {
        if character.is_control() || TURNING.contains(&character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}: {}", self.severity.as_str(), self.object)?;
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Collects the findings of one document.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    source: &'a str,
    object: String,
    findings: Vec<Finding>,
    broken: bool,
}

impl<'a> Report<'a> {
    pub(crate) const fn new(source: &'a str, object: String) -> Self {
        Self {
            source,
            object,
            findings: Vec::new(),
            broken: false,
        }
    }

    /// From now on findings speak of this object.
    pub(crate) fn about(&mut self, object: String) {
        self.object = object;
    }

    /// The document cannot be used as it is.
    pub(crate) fn broken(&mut self, line: u64, field: &str, message: String) {
        self.broken = true;
        self.add(Severity::Error, line, field, message);
    }

    /// A part is refused, the rest holds.
    pub(crate) fn refused(&mut self, line: u64, field: &str, message: String) {
        self.add(Severity::Error, line, field, message);
    }

    /// A part has no effect.
    pub(crate) fn ignored(&mut self, line: u64, field: &str, message: String) {
        self.add(Severity::Warning, line, field, message);
    }

    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    fn add(&mut self, severity: Severity, line: u64, field: &str, message: String) {
        // A hostile document may have a finding per byte; people read ten.
        if self.findings.len() >= MAX_FINDINGS {
            return;
        }
        let finding = Finding::new(severity, self.source, &self.object, field, &message);
        self.findings.push(Finding { line, ..finding });
    }
}

const MAX_FINDINGS: usize = 100;
const MAX_SOURCE: usize = 512;
const MAX_OBJECT: usize = 400;
const MAX_FIELD: usize = 256;
const MAX_MESSAGE: usize = 2_000;
/// Line separators and the directions of Unicode's bidirectional algorithm.
const TURNING: &[char] = &[
    '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}',
    '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

#[cfg(test)]
mod tests;
