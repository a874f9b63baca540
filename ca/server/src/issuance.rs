//! Certificates from entitlements: the only room that signs leaves.
//!
//! A certificate is planned (serial, validity, issuer) and then signed; the
//! plan is what the store keeps of an enrolment, so that the very same
//! certificate can be signed again.

use std::sync::{Arc, Mutex, PoisonError};

use pelago_ca_core::issue::{IssueError, Signed, to_be_signed};
use pelago_ca_core::token::Certificate;
use pelago_ca_core::{Entitlement, Serial, Template, Validity};

use crate::entropy::random;
use crate::keys::{KeyError, Keyring};
use crate::signing::{Signing, SigningError, find};
use crate::tables::Tables;

/// Signs leaves with the active intermediate.
pub(crate) struct Issuance {
    tables: Arc<Tables>,
    keyring: Arc<dyn Keyring>,
    active: Mutex<Signing>,
}

/// A signed chain.
pub(crate) struct Issued {
    /// DER, the leaf first, then its intermediate.
    pub(crate) chain: Vec<Vec<u8>>,
}

/// Why no certificate was signed. Not the requester's fault: try again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueFailed {
    #[error("the system gave no randomness")]
    Entropy,
    #[error("the certificate could not be built")]
    Build(#[from] IssueError),
    #[error("the authority's key could not be used")]
    Key(#[from] KeyError),
    #[error("the authority that should sign is not to be had")]
    Authority(#[from] SigningError),
}

impl Issuance {
    pub(crate) fn new(tables: Arc<Tables>, keyring: Arc<dyn Keyring>, active: Signing) -> Self {
        Self {
            tables,
            keyring,
            active: Mutex::new(active),
        }
    }

    /// What signs now.
    pub(crate) fn active(&self) -> Signing {
        let active = self.active.lock().unwrap_or_else(PoisonError::into_inner);
        active.clone()
    }

    /// Signs with this from now on.
    pub(crate) fn replace(&self, next: Signing) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = next;
    }

    pub(crate) fn keyring(&self) -> &dyn Keyring {
        self.keyring.as_ref()
    }

    /// Plans the certificate of an entitlement.
    pub(crate) fn plan(
        &self,
        entitlement: Entitlement,
        now: u64,
    ) -> Result<Certificate, IssueFailed> {
        let issuer = self.active().authority;
        let validity = Validity::starting(now, entitlement.ttl).until(issuer.not_after);
        Ok(Certificate {
            id: entitlement.id,
            serial: random().map_err(|_| IssueFailed::Entropy)?,
            not_before: validity.not_before,
            not_after: validity.not_after,
            renew_after: entitlement.renew_after,
            issuer: issuer.id,
        })
    }

    /// Signs a planned certificate for the key in `spki`.
    pub(crate) async fn sign(
        &self,
        plan: &Certificate,
        spki: &[u8],
        dns_names: &[String],
    ) -> Result<Issued, IssueFailed> {
        let active = self.active();
        let signing = if active.authority.id == plan.issuer {
            active
        } else {
            find(&self.tables, self.keyring(), &plan.issuer).await?
        };
        let template = Template::Leaf {
            id: plan.id.clone(),
            dns_names: dns_names.to_vec(),
        };
        let validity = Validity {
            not_before: plan.not_before,
            not_after: plan.not_after,
        };
        let by = Signed::By(&signing.authority.certificate);
        let tbs = to_be_signed(&template, spki, validity, Serial::new(plan.serial), by)?;
        let leaf = tbs.assemble(&signing.signer.sign(tbs.bytes()).await?);
        Ok(Issued {
            chain: vec![leaf, signing.authority.certificate.to_vec()],
        })
    }
}
