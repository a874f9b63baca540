//! Signing authorities and their states.
//!
//! A root is trusted by being in the published bundle; an intermediate signs
//! leaves and is trusted through its root. Each step is written to the store
//! before it acts. This landing walks staged -> active -> retiring; the other
//! states are read and kept, so that a later release can use them.

use std::sync::Arc;

use pelago_model::{Bundle, TrustDomain};
use serde::{Deserialize, Serialize};

/// One authority, as the store keeps it under `authority/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// `root-1`, `intermediate-3`: its kind and its number. Names its key too.
    pub id: String,
    /// Root or intermediate.
    pub kind: Kind,
    /// Its number among its kind, from 1.
    pub number: u32,
    /// Where it is in its life.
    pub state: State,
    /// The root that signed it; absent for a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Its certificate, DER.
    #[serde(with = "der")]
    pub certificate: Arc<[u8]>,
    /// Its first second, Unix.
    pub not_before: u64,
    /// Its last second, Unix.
    pub not_after: u64,
}

/// What an authority signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Intermediates; itself is in the bundle.
    Root,
    /// Leaves of one cluster.
    Intermediate,
}

impl Kind {
    /// The word in ids and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Intermediate => "intermediate",
        }
    }

    /// The id of the authority of this kind with this number.
    #[must_use]
    pub fn id(self, number: u32) -> String {
        format!("{}-{number}", self.as_str())
    }
}

/// Where an authority is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It exists; nobody is told.
    Staged,
    /// It is in the bundle and signs nothing yet.
    Published,
    /// It signs.
    Active,
    /// It signs no more; what it signed is good.
    Retiring,
    /// What it signed is being replaced.
    Tainted,
    /// What it signed is no longer trusted.
    Revoked,
    /// Its key is gone; the record stays.
    Pruned,
}

impl State {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Published => "published",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Tainted => "tainted",
            Self::Revoked => "revoked",
            Self::Pruned => "pruned",
        }
    }

    /// Whether a root in this state is in the published bundle.
    #[must_use]
    pub const fn is_published(self) -> bool {
        matches!(
            self,
            Self::Published | Self::Active | Self::Retiring | Self::Tainted
        )
    }
}

/// The active authority of a kind: the one with the highest number.
#[must_use]
pub fn active(authorities: &[Authority], kind: Kind) -> Option<&Authority> {
    authorities
        .iter()
        .filter(|authority| authority.kind == kind && authority.state == State::Active)
        .max_by_key(|authority| authority.number)
}

/// The number the next authority of a kind gets.
#[must_use]
pub fn next_number(authorities: &[Authority], kind: Kind) -> u32 {
    authorities
        .iter()
        .filter(|authority| authority.kind == kind)
        .map(|authority| authority.number)
        .max()
        .unwrap_or(0)
        .saturating_add(1)
}

/// Whether an authority should be replaced now: less than `lead` seconds and
/// less than a third of its life are left, whichever is longer; or it has not
/// begun, because the clock was ahead when it was made.
#[must_use]
pub fn is_due(not_before: u64, not_after: u64, now: u64, lead: u64) -> bool {
    let third = not_after.saturating_sub(not_before) / 3;
    now < not_before || not_after.saturating_sub(now) < third.max(lead.min(third.saturating_mul(2)))
}

/// The bundle these authorities publish, the active root first. It is `held`
/// itself when nothing changed; otherwise the sequence grows by one.
#[must_use]
pub fn publish(
    authorities: &[Authority],
    held: Option<&Bundle>,
    trust_domain: &TrustDomain,
    refresh_hint: u64,
) -> Bundle {
    let mut roots: Vec<&Authority> = authorities
        .iter()
        .filter(|authority| authority.kind == Kind::Root && authority.state.is_published())
        .collect();
    roots.sort_by_key(|root| (root.state != State::Active, std::cmp::Reverse(root.number)));
    let mut next = Bundle {
        trust_domain: trust_domain.clone(),
        sequence: held.map_or(1, |held| held.sequence),
        refresh_hint,
        x509_authorities: roots
            .iter()
            .map(|root| Arc::clone(&root.certificate))
            .collect(),
    };
    if held.is_some_and(|held| *held != next) {
        next.sequence = next.sequence.saturating_add(1);
    }
    next
}

mod der {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(der: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(der))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<[u8]>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD
            .decode(text)
            .map(Arc::from)
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
