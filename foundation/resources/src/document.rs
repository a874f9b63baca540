//! One text, several documents: split first, so that a broken one does not hide
//! the others and every error has the line of the file.

use serde_saphyr::{DuplicateKeyPolicy, Options};

use crate::node::{Node, Shape};

/// The largest document in bytes.
pub const MAX_DOCUMENT: usize = 1024 * 1024;
/// The most documents in one text.
pub const MAX_DOCUMENTS: usize = 10_000;

/// A piece of the text between two `---`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// From 1.
    pub(crate) number: usize,
    /// Lines of the file before this text.
    pub(crate) offset: u64,
    pub(crate) text: &'a str,
}

/// Why a document could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// In the file.
    pub(crate) line: u64,
    pub(crate) message: String,
}

/// The documents that hold more than comments. A line `---` at its very
/// beginning always separates (YAML 1.2 section 9.1.2), even inside a block
/// scalar, so that splitting needs no parser.
pub(crate) fn split(text: &str) -> impl Iterator<Item = Document<'_>> {
    let mut rest = Some((0_u64, text));
    let pieces = std::iter::from_fn(move || {
        let (offset, text) = rest?;
        let (piece, next) = cut(text);
        let lines = u64::try_from(piece.matches('\n').count()).unwrap_or(u64::MAX);
        rest = next.map(|next| (offset.saturating_add(lines), next));
        Some((offset, piece))
    });
    pieces
        .filter(|(_, text)| !is_blank(text))
        .enumerate()
        .map(|(index, (offset, text))| Document {
            number: index + 1,
            offset,
            text,
        })
}

impl Document<'_> {
    /// Its value, lines counted from the beginning of the file.
    pub(crate) fn parse(&self) -> Result<Node, SyntaxError> {
        if self.text.len() > MAX_DOCUMENT {
            return Err(SyntaxError {
                line: self.offset + 1,
                message: format!(
                    "the document has {} bytes: at most {MAX_DOCUMENT} are read; split it",
                    self.text.len()
                ),
            });
        }
        let mut options = Options::default();
        options.duplicate_keys = DuplicateKeyPolicy::Error;
        // Only `true` and `false` are booleans, as in YAML 1.2: an `on` that
        // someone did not quote stays the text it looks like.
        options.strict_booleans = true;
        options.with_snippet = false;
        let mut node: Node =
            serde_saphyr::from_str_with_options(self.text, options).map_err(|error| {
                let line = error.location().map_or(1, |location| location.line());
                SyntaxError {
                    line: self.offset.saturating_add(line),
                    message: one_line(&error.without_snippet().to_string()),
                }
            })?;
        shift(&mut node, self.offset);
        Ok(node)
    }
}

/// The text up to the next separator, and the text from that separator on.
fn cut(text: &str) -> (&str, Option<&str>) {
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find("\n---")) {
        let at = from + found + 1;
        let (piece, next) = text.split_at(at);
        if is_separator(next) {
            return (piece, Some(next));
        }
        from = at;
    }
    (text, None)
}

fn is_separator(text: &str) -> bool {
    text.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_blank(text: &str) -> bool {
    text.strip_prefix("---")
        .unwrap_or(text)
        .lines()
        .map(str::trim)
        .all(|line| line.is_empty() || line.starts_with(['#', '%']) || line == "...")
}

fn shift(node: &mut Node, offset: u64) {
    node.line = node.line.saturating_add(offset);
    match &mut node.shape {
        Shape::Null | Shape::Scalar(_) => {}
        Shape::List(items) => items.iter_mut().for_each(|item| shift(item, offset)),
        Shape::Map(entries) => {
            for entry in entries {
                entry.line = entry.line.saturating_add(offset);
                shift(&mut entry.value, offset);
            }
        }
    }
}

/// The message in one line, without the parser's own place: it counts from the
/// document, people count from the file.
fn one_line(text: &str) -> String {
    let text = text.rsplit_once(" at line ").map_or(text, |(text, _)| text);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(300).collect()
}

#[cfg(test)]
mod tests;
