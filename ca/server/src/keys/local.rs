//! A key in this process's memory.

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use pelago_store::BoxFuture;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::seam::Signer;

/// An ECDSA P-256 key. The library zeroizes it when dropped.
pub(super) struct LocalKey {
    pair: EcdsaKeyPair,
    spki: Vec<u8>,
}

impl LocalKey {
    pub(super) fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| KeyError::Crypto)?;
        Self::of(pair)
    }

    pub(super) fn read(name: &str, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8);
        let pair = pair.map_err(|_| KeyError::Malformed {
            name: name.to_owned(),
        })?;
        Self::of(pair)
    }

    /// For the keyring on disk only.
    pub(super) fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Crypto)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    pub(super) fn shared(self) -> Arc<dyn Signer> {
        Arc::new(self)
    }

    fn of(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let spki: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|_| KeyError::Crypto)?;
        let spki = spki.as_ref().to_vec();
        Ok(Self { pair, spki })
    }
}

impl Signer for LocalKey {
    fn public_key(&self) -> &[u8] {
        &self.spki
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let signature = self.pair.sign(&SystemRandom::new(), message);
            let signature = signature.map_err(|_| KeyError::Crypto)?;
            Ok(signature.as_ref().to_vec())
        })
    }
}

/// Names that are safe in a path.
pub(super) fn check_name(name: &str) -> Result<(), KeyError> {
    let valid = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if valid {
        return Ok(());
    }
    Err(KeyError::Name {
        name: name.chars().take(64).collect(),
    })
}
