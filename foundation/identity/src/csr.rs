//! Keys that are made here and never leave, and the requests that carry their public half.
//!
//! The request asks for nothing: its subject and extensions are empty, since the CA believes
//! only its key (ECDSA P-256).

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use zeroize::{Zeroize as _, Zeroizing};

/// A new private key and a PKCS#10 request for it.
pub struct KeyRequest {
    /// The request, DER.
    pub csr: Vec<u8>,
    /// The key, PKCS#8 in DER.
    pub key: Zeroizing<Vec<u8>>,
}

/// No key could be made.
#[derive(Debug, thiserror::Error)]
#[error("a key and its request could not be made")]
pub struct CsrError(#[source] rcgen::Error);

impl KeyRequest {
    /// Makes a key and its request.
    ///
    /// # Errors
    /// [`CsrError`] when the system gives no randomness.
    pub fn generate() -> Result<Self, CsrError> {
        let mut pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CsrError)?;
        let key = Zeroizing::new(pair.serialize_der());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&pair).map_err(CsrError);
        pair.zeroize();
        Ok(Self {
            csr: request?.der().to_vec(),
            key,
        })
    }
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRequest")
    }
}
