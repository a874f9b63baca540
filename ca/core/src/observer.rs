//! Observers: who holds which bundle, by their own acknowledgement.
//!
//! An acknowledgement counts only for what was offered: the same domain, a
//! sequence not above ours, and at our sequence the same content.

use std::collections::BTreeMap;

use pelago_model::{BundleSet, SpiffeId, TrustDomain, Version};
use serde::{Deserialize, Serialize};

/// One observer, as the store keeps it under `observer/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observer {
    /// Who it is.
    pub id: SpiffeId,
    /// What it verifies with, by domain.
    pub holdings: BTreeMap<TrustDomain, Holding>,
}

/// A bundle that an observer verifies with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Its sequence.
    pub sequence: u64,
    /// The hash over its content.
    pub version: Version,
    /// When it was acknowledged, Unix seconds.
    pub acknowledged: u64,
}

/// An acknowledgement as spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Whose bundle.
    pub trust_domain: TrustDomain,
    /// Its sequence.
    pub sequence: u64,
    /// The hash over its content.
    pub version: Version,
}

/// Takes an acknowledgement in: the observer as it should be stored, or `None`
/// when nothing changes.
///
/// # Errors
/// [`AckError`]; nothing is recorded then.
pub fn acknowledge(
    known: Option<Observer>,
    id: &SpiffeId,
    offered: &BundleSet,
    ack: &Ack,
    now: u64,
) -> Result<Option<Observer>, AckError> {
    let Some(bundle) = offered.get(&ack.trust_domain) else {
        return Err(AckError::NotOffered {
            trust_domain: ack.trust_domain.clone(),
        });
    };
    if ack.sequence > bundle.sequence {
        return Err(AckError::Ahead {
            trust_domain: ack.trust_domain.clone(),
            ours: bundle.sequence,
            theirs: ack.sequence,
        });
    }
    if ack.sequence == bundle.sequence && ack.version != bundle.version() {
        return Err(AckError::OtherContent {
            trust_domain: ack.trust_domain.clone(),
            sequence: ack.sequence,
        });
    }
    let mut observer = known.unwrap_or_else(|| Observer {
        id: id.clone(),
        holdings: BTreeMap::new(),
    });
    observer
        .holdings
        .retain(|domain, _| offered.get(domain).is_some());
    let held = observer.holdings.get(&ack.trust_domain);
    if held.is_some_and(|held| held.sequence == ack.sequence && held.version == ack.version) {
        return Ok(None);
    }
    let holding = Holding {
        sequence: ack.sequence,
        version: ack.version,
        acknowledged: now,
    };
    observer.holdings.insert(ack.trust_domain.clone(), holding);
    Ok(Some(observer))
}

/// Why an acknowledgement did not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// Of a domain that was not offered.
    #[error("a bundle of {trust_domain} was acknowledged that was not offered")]
    NotOffered {
        /// The domain.
        trust_domain: TrustDomain,
    },
    /// Of a sequence that does not exist yet.
    #[error("bundle {theirs} of {trust_domain} was acknowledged; ours is {ours}")]
    Ahead {
        /// The domain.
        trust_domain: TrustDomain,
        /// The sequence held here.
        ours: u64,
        /// The sequence acknowledged.
        theirs: u64,
    },
    /// Of our sequence and other content.
    #[error("bundle {sequence} of {trust_domain} was acknowledged with other content than ours")]
    OtherContent {
        /// The domain.
        trust_domain: TrustDomain,
        /// The sequence of both.
        sequence: u64,
    },
}

#[cfg(test)]
mod tests;
