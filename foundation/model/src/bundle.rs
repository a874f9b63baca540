//! Trust bundles: the roots of each trust domain, kept apart.
//!
//! Roots of several domains are never pooled; a leaf is judged by the bundle
//! of its own domain and no other. An empty bundle trusts no one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::hash::Version;
use crate::spiffe::TrustDomain;

/// The roots of one trust domain at one sequence (SPIFFE Trust Domain and
/// Bundle, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// Whose roots these are.
    pub trust_domain: TrustDomain,
    /// Grows with every change; a lower one is refused.
    pub sequence: u64,
    /// How often, in seconds, a holder should ask again.
    pub refresh_hint: u64,
    /// X.509 authorities in DER; the active one first.
    #[serde(with = "der_list")]
    pub x509_authorities: Vec<Arc<[u8]>>,
}

impl Bundle {
    /// The most authorities one bundle may hold.
    pub const MAX_AUTHORITIES: usize = 64;
    /// The largest authority certificate in bytes.
    pub const MAX_AUTHORITY: usize = 16 * 1024;

    /// What holders acknowledge: a hash over the content.
    #[must_use]
    pub fn version(&self) -> Version {
        Version::of(self)
    }

    /// Whether `next` may take this bundle's place.
    ///
    /// # Errors
    /// [`BundleError`] when the domain differs, the sequence falls, or the
    /// content changed without a growing sequence.
    pub fn accept(&self, next: &Self) -> Result<(), BundleError> {
        if next.trust_domain != self.trust_domain {
            return Err(BundleError::OtherDomain {
                ours: self.trust_domain.clone(),
                offered: next.trust_domain.clone(),
            });
        }
        if next.sequence < self.sequence {
            return Err(BundleError::LowerSequence {
                trust_domain: self.trust_domain.clone(),
                held: self.sequence,
                offered: next.sequence,
            });
        }
        if next.sequence == self.sequence && next.x509_authorities != self.x509_authorities {
            return Err(BundleError::SameSequence {
                trust_domain: self.trust_domain.clone(),
                sequence: self.sequence,
            });
        }
        next.check()
    }

    /// Whether the bundle keeps the limits.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`] or [`BundleError::Empty`].
    pub fn check(&self) -> Result<(), BundleError> {
        if self.x509_authorities.is_empty() {
            return Err(BundleError::Empty {
                trust_domain: self.trust_domain.clone(),
            });
        }
        if self.x509_authorities.len() > Self::MAX_AUTHORITIES
            || self
                .x509_authorities
                .iter()
                .any(|der| der.len() > Self::MAX_AUTHORITY)
        {
            return Err(BundleError::TooLarge {
                trust_domain: self.trust_domain.clone(),
            });
        }
        Ok(())
    }
}

/// Why a bundle was not taken; the one held stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Another domain's bundle.
    #[error("a bundle of trust domain {offered} was offered as that of {ours}")]
    OtherDomain {
        /// The domain asked for.
        ours: TrustDomain,
        /// The domain offered.
        offered: TrustDomain,
    },
    /// An older bundle than the one held.
    #[error(
        "bundle of {trust_domain}: sequence {offered} is lower than {held}, which is held; the held one stays"
    )]
    LowerSequence {
        /// The domain.
        trust_domain: TrustDomain,
        /// The sequence held.
        held: u64,
        /// The sequence offered.
        offered: u64,
    },
    /// Different roots under the same sequence.
    #[error(
        "bundle of {trust_domain}: other roots under the same sequence {sequence}; the held one stays"
    )]
    SameSequence {
        /// The domain.
        trust_domain: TrustDomain,
        /// The sequence of both.
        sequence: u64,
    },
    /// No roots at all.
    #[error("bundle of {trust_domain} holds no X.509 authority; the held one stays")]
    Empty {
        /// The domain.
        trust_domain: TrustDomain,
    },
    /// More or larger roots than allowed.
    #[error("bundle of {trust_domain} exceeds 64 authorities of 16 KiB; the held one stays")]
    TooLarge {
        /// The domain.
        trust_domain: TrustDomain,
    },
}

/// Bundles by trust domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleSet {
    bundles: BTreeMap<TrustDomain, Arc<Bundle>>,
}

impl BundleSet {
    /// The bundle of exactly that domain.
    #[must_use]
    pub fn get(&self, domain: &TrustDomain) -> Option<&Arc<Bundle>> {
        self.bundles.get(domain)
    }

    /// Takes a bundle in, if it may replace the one held.
    ///
    /// # Errors
    /// [`BundleError`]; the set is unchanged then.
    pub fn accept(&mut self, bundle: Arc<Bundle>) -> Result<(), BundleError> {
        match self.bundles.get(&bundle.trust_domain) {
            Some(held) => held.accept(&bundle)?,
            None => bundle.check()?,
        }
        self.bundles.insert(bundle.trust_domain.clone(), bundle);
        Ok(())
    }

    /// Stops trusting a domain.
    pub fn remove(&mut self, domain: &TrustDomain) -> Option<Arc<Bundle>> {
        self.bundles.remove(domain)
    }

    /// All bundles, by domain.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Bundle>> {
        self.bundles.values()
    }
}

mod der_list {
    use std::sync::Arc;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(list: &[Arc<[u8]>], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|der| STANDARD.encode(der)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Arc<[u8]>>, D::Error> {
        Vec::<String>::deserialize(from)?
            .into_iter()
            .map(|text| {
                STANDARD
                    .decode(text)
                    .map(Arc::from)
                    .map_err(D::Error::custom)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
