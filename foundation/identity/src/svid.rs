//! One SVID with its key, ready for TLS.
//!
//! The key leaves only through [`Svid::key_der`], for the Workload API and the state directory;
//! it is never shown by `Debug` and is zeroized when the last holder drops it. This room checks
//! that key and leaf belong together, not that anyone trusts them.

use std::fmt;
use std::sync::Arc;

use pelago_model::SpiffeId;
use pelago_svid::LeafError;
use pelago_svid::x509::SplitError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use crate::provider;

/// An X.509-SVID and its private key. Immutable; a renewal makes another.
pub struct Svid {
    id: SpiffeId,
    not_before: u64,
    not_after: u64,
    hint: String,
    pkcs8: Zeroizing<Vec<u8>>,
    certified: Arc<CertifiedKey>,
}

/// Why chain and key are no SVID.
#[derive(Debug, thiserror::Error)]
pub enum SvidError {
    /// No certificate.
    #[error("the certificate chain is empty: ask for a new SVID")]
    Empty,
    /// Not a list of certificates.
    #[error("the certificate chain cannot be read")]
    Chain(#[source] SplitError),
    /// The leaf breaks a rule.
    #[error("the leaf is no X.509-SVID")]
    Leaf(#[source] LeafError),
    /// The key cannot be used, or is not the leaf's.
    #[error("the private key does not belong to the leaf, or is of a kind TLS cannot use")]
    Key(#[source] rustls::Error),
}

impl Svid {
    /// An SVID of this chain (DER, leaf first, without the root) and key (PKCS#8, DER).
    ///
    /// # Errors
    /// [`SvidError`] when the leaf is none or the key is not its own.
    pub fn new(chain: Vec<Vec<u8>>, pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, SvidError> {
        let leaf = chain.first().ok_or(SvidError::Empty)?;
        let leaf = pelago_svid::leaf(leaf).map_err(SvidError::Leaf)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(pkcs8.as_slice()));
        let key = provider::signing_key(&key).map_err(SvidError::Key)?;
        let chain = chain.into_iter().map(CertificateDer::from).collect();
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(SvidError::Key)?;
        Ok(Self {
            id: leaf.id,
            not_before: leaf.not_before,
            not_after: leaf.not_after,
            hint: String::new(),
            pkcs8,
            certified: Arc::new(certified),
        })
    }

    /// An SVID as the Workload API writes it: the chain in concatenated DER, the key in PKCS#8.
    ///
    /// # Errors
    /// [`SvidError`], as for [`Self::new`], and when the chain cannot be taken apart.
    pub fn from_concatenated(chain: &[u8], pkcs8: &[u8]) -> Result<Self, SvidError> {
        let chain = pelago_svid::x509::split(chain).map_err(SvidError::Chain)?;
        let chain = chain.iter().map(|der| der.to_vec()).collect();
        Self::new(chain, Zeroizing::new(pkcs8.to_vec()))
    }

    /// The same with a hint that tells several identities of one workload apart.
    #[must_use]
    pub fn with_hint(mut self, hint: &str) -> Self {
        hint.clone_into(&mut self.hint);
        self
    }

    /// Whose it is.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Start of validity, Unix seconds.
    #[must_use]
    pub const fn not_before(&self) -> u64 {
        self.not_before
    }

    /// End of validity, Unix seconds.
    #[must_use]
    pub const fn not_after(&self) -> u64 {
        self.not_after
    }

    /// The hint; empty when there is none.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// The chain in DER, leaf first, without the root. Never empty.
    #[must_use]
    pub fn chain_der(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The private key as PKCS#8 in DER: for the Workload API and the state directory only.
    #[must_use]
    pub fn key_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// What rustls signs with.
    pub(crate) const fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl fmt::Debug for Svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Svid")
            .field("id", &self.id)
            .field("not_after", &self.not_after)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
