//! The name of a value in the store.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest key in bytes.
pub const MAX_KEY: usize = 512;

/// A path of segments joined by `/`, such as `peer/west`. A segment has at least
/// one of `A-Z a-z 0-9 . _ : @ -`; the whole has at most [`MAX_KEY`] bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// Checks the text; nothing is repaired or escaped.
    ///
    /// # Errors
    /// [`KeyError`] names the text and what is allowed.
    pub fn new(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if text.len() <= MAX_KEY && text.split('/').all(is_segment) {
            Ok(Self(text.into()))
        } else {
            Err(KeyError {
                text: text.chars().take(64).collect(),
                length: text.len(),
            })
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// For looking a key up by its text; both order and compare alike.
impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A text that cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} ({length} bytes) is not a key: at most {MAX_KEY} bytes of non-empty \
     segments of A-Z a-z 0-9 . _ : @ - joined by \"/\""
)]
pub struct KeyError {
    /// The text as given, cut to 64 characters.
    pub text: String,
    /// Its length in bytes.
    pub length: usize,
}

fn is_segment(segment: &str) -> bool {
    !segment.is_empty()
        && segment
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._:@-".contains(&b))
}

#[cfg(test)]
mod tests;
