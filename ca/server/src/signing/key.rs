//! An authority with its key.

use std::sync::Arc;

use pelago_ca_core::Authority;
use pelago_model::token::Pin;

use super::error::SigningError;
use crate::keys::{Keyring, Signer};

/// An authority that can sign.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) authority: Authority,
    pub(crate) signer: Arc<dyn Signer>,
}

pub(super) async fn with_key(
    keyring: &dyn Keyring,
    authority: Authority,
) -> Result<Signing, SigningError> {
    let id = || authority.id.clone();
    let signer = keyring.open(&authority.id).await?;
    let signer = signer.ok_or_else(|| SigningError::KeyMissing { id: id() })?;
    let named = pelago_svid::pin(&authority.certificate);
    if named != Some(spki_pin(signer.public_key())) {
        return Err(SigningError::KeyDiffers { id: id() });
    }
    Ok(Signing { authority, signer })
}

fn spki_pin(spki: &[u8]) -> Pin {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki);
    Pin(digest.as_ref().try_into().unwrap_or_default())
}
