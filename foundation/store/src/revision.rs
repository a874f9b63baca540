//! Points in a store's history, and the values written there.

use std::fmt;

/// A point in a store's history. Opaque: compare it only for equality, and only
/// with revisions of the same store.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision(pub(crate) u64);

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A value and the revision at which it was written. `Debug` shows its length
/// only: values may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes, at most [`MAX_VALUE`](crate::MAX_VALUE).
    pub value: Vec<u8>,
    /// When this key was last written.
    pub revision: Revision,
}

impl fmt::Debug for Versioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes at {}", self.value.len(), self.revision)
    }
}
