//! Content hashes: the version of a resource is what it says.
//!
//! The hash is SHA-256 over the resource's JSON, cut to 128 bits: stable
//! across processes and restarts, since struct fields keep their order and
//! maps are ordered.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// A content hash. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(u128);

impl Version {
    /// The version of what `value` says.
    #[must_use]
    pub fn of<T: Serialize>(value: &T) -> Self {
        // Model types have string keys and no failing serializers; should one
        // ever fail, the zero version differs from every real one.
        serde_json::to_vec(value)
            .map(|bytes| Self::of_bytes(&bytes))
            .unwrap_or_default()
    }

    /// The version of these bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let cut = digest
            .iter()
            .take(16)
            .fold(0_u128, |sum, byte| (sum << 8) | u128::from(*byte));
        Self(cut)
    }

    /// Sums versions in any order: adding and then removing one gives back
    /// the same sum.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    /// The inverse of [`Self::with`].
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// Parses 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32)
            .then(|| u128::from_str_radix(text, 16).ok().map(Self))
            .flatten()
    }
}

impl TryFrom<String> for Version {
    type Error = crate::id::IdError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
            .ok_or_else(|| crate::id::IdError::new("version", &text, "32 hexadecimal digits"))
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
