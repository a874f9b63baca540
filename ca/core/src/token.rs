//! Token records: what a printed token opens, once.
//!
//! The store never sees the secret, only its SHA-256 as the record's key.
//! Redeeming is one compare-and-swap from unused to used{key, outcome}: the
//! same key repeating gets the same outcome until the token expires, every
//! other key is refused.

use std::fmt;

use pelago_model::token::{Pin, Purpose, Secret};
use pelago_model::{Bundle, Peer, SpiffeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The shortest validity of a token in seconds.
pub const MIN_TTL: u64 = 1;
/// The longest validity of a token in seconds: 7 days.
pub const MAX_TTL: u64 = 7 * 24 * 3600;
/// The validity of a token in seconds unless asked otherwise: an hour.
pub const DEFAULT_TTL: u64 = 3600;

/// The public name of a token: SHA-256 of its secret, in hex. It lets nobody in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId(String);

impl TokenId {
    /// The id of the token with this secret.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        use fmt::Write as _;
        let digest = Sha256::digest(secret.expose());
        Self(digest.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// An id as the store has it.
    #[must_use]
    pub const fn from_key(key: String) -> Self {
        Self(key)
    }

    /// The whole id: 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for logs and the audit.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// A token, as the store keeps it under `token/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// What it lets in.
    pub purpose: Purpose,
    /// When it was made, Unix seconds.
    pub created: u64,
    /// Unix seconds after which it is worthless.
    pub expires: u64,
    /// Who made it, as audited.
    pub actor: String,
    /// Whether it was redeemed.
    pub state: TokenState,
}

/// Whether a token was redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenState {
    /// Not yet.
    Unused,
    /// Once, for good.
    Used {
        /// SHA-256 of the SubjectPublicKeyInfo of the key that redeemed it.
        key: Pin,
        /// When, Unix seconds.
        at: u64,
        /// What came of it.
        outcome: Box<Outcome>,
        /// Whether everything that follows from it was written: records and
        /// audit. Until then it is written again.
        settled: bool,
    },
}

/// What redeeming gave. Everything that follows (records, audit, the answer)
/// derives from it and can be written again after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A node or gateway was let in with this one certificate.
    Enrolled(Certificate),
    /// A cluster was let in.
    Joined {
        /// The peer.
        peer: Peer,
        /// Its bundle at that time.
        bundle: Bundle,
    },
}

/// A certificate but for its key and signature: enough to sign the very same
/// one again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// The identity.
    pub id: SpiffeId,
    /// The serial's random bytes.
    pub serial: [u8; 16],
    /// Its first second, Unix.
    pub not_before: u64,
    /// Its last second, Unix.
    pub not_after: u64,
    /// When its holder should ask again, in seconds from its issue.
    pub renew_after: u64,
    /// The authority that signs.
    pub issuer: String,
}

/// What becomes of a token that is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeem<'a> {
    /// It is unused: redeem it by compare-and-swap.
    First,
    /// The same key came before: the same answer.
    Again(&'a Outcome),
    /// Another key came before.
    Used,
    /// Too late.
    Expired,
}

/// What becomes of `record` when the holder of `key` presents its secret.
#[must_use]
pub fn redeem<'a>(record: &'a TokenRecord, key: &Pin, now: u64) -> Redeem<'a> {
    match &record.state {
        TokenState::Used { key: first, .. } if first != key => Redeem::Used,
        _ if now > record.expires => Redeem::Expired,
        TokenState::Used { outcome, .. } => Redeem::Again(outcome),
        TokenState::Unused => Redeem::First,
    }
}

impl TokenRecord {
    /// The record once redeemed.
    #[must_use]
    pub fn used(self, key: Pin, at: u64, outcome: Outcome) -> Self {
        Self {
            state: TokenState::Used {
                key,
                at,
                outcome: Box::new(outcome),
                settled: false,
            },
            ..self
        }
    }

    /// The record once everything that follows from its outcome was written.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if let TokenState::Used { settled, .. } = &mut self.state {
            *settled = true;
        }
        self
    }

    /// When it was redeemed, Unix seconds.
    #[must_use]
    pub const fn redeemed_at(&self) -> Option<u64> {
        match self.state {
            TokenState::Used { at, .. } => Some(at),
            TokenState::Unused => None,
        }
    }

    /// The outcome, while something that follows from it may be missing.
    #[must_use]
    pub fn unsettled(&self) -> Option<&Outcome> {
        match &self.state {
            TokenState::Used {
                outcome,
                settled: false,
                ..
            } => Some(outcome),
            _ => None,
        }
    }
}

/// How long a token is valid.
///
/// # Errors
/// [`TtlError`] outside [`MIN_TTL`] to [`MAX_TTL`]; zero is the default.
pub const fn ttl(asked: u64) -> Result<u64, TtlError> {
    match asked {
        0 => Ok(DEFAULT_TTL),
        MIN_TTL..=MAX_TTL => Ok(asked),
        _ => Err(TtlError { asked }),
    }
}

/// A validity out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ttl {asked} s is not allowed for a token: {MIN_TTL} s to {MAX_TTL} s (7 days)")]
pub struct TtlError {
    /// The seconds asked for.
    pub asked: u64,
}

#[cfg(test)]
mod tests;
