//! The seam: [`Keyring`] and [`Signer`].

use std::sync::Arc;

use pelago_store::BoxFuture;

use super::error::KeyError;

/// A key that signs. It has no `Debug` and no way out.
pub trait Signer: Send + Sync {
    /// The public key as SubjectPublicKeyInfo, DER.
    fn public_key(&self) -> &[u8];

    /// An ECDSA P-256 signature with SHA-256, ASN.1 (RFC 5758 section 3.2).
    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, KeyError>>;
}

/// Named keys. Names are `a-z`, `0-9` and `-`, at most 64.
pub trait Keyring: Send + Sync {
    /// The key of that name, if there is one.
    fn open<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Arc<dyn Signer>>, KeyError>>;

    /// The key of that name, made if there is none. It is durable before this
    /// returns, and never replaced.
    fn create<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Arc<dyn Signer>, KeyError>>;
}
