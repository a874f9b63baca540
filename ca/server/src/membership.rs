//! Letting peers in and out: the records that decide whom we trust.
//!
//! In: the bundle first, so that whoever sees the peer can verify it. Out: the
//! peer first, which ends the trust at once. Every step may be repeated.

use pelago_ca_core::caller::Caller;
use pelago_model::bundle::BundleError;
use pelago_model::{Bundle, ClusterId, Peer, TrustDomain};
use pelago_store::{Change, Expected, TableError, UpdateError};

use crate::ca::Ca;
use crate::view::ViewError;

/// Why a peer or its bundle was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MembershipError {
    #[error("the bundle was refused")]
    Bundle(#[source] BundleError),
    #[error("peers and bundles could not be written")]
    Table(#[from] TableError),
    #[error("peers and bundles could not be read back")]
    View(#[from] ViewError),
}

/// Writes a peer with its bundle. Of a peer that is known the newer bundle
/// stays; what is left of one that was removed counts for nothing.
pub(crate) async fn admit(ca: &Ca, peer: &Peer, bundle: &Bundle) -> Result<(), MembershipError> {
    let id = peer.cluster.as_str();
    let held = ca.tables.peers.get(id).await?;
    match &held {
        Some(_) => match keep_bundle(ca, bundle).await {
            Ok(())
            | Err(MembershipError::Bundle(
                BundleError::LowerSequence { .. } | BundleError::SameSequence { .. },
            )) => {}
            Err(error) => return Err(error),
        },
        None => {
            bundle.check().map_err(MembershipError::Bundle)?;
            let domain = bundle.trust_domain.as_str();
            ca.tables.bundles.put(domain, Expected::Any, bundle).await?;
        }
    }
    if held.is_none_or(|held| held.value != *peer) {
        ca.tables.peers.put(id, Expected::Any, peer).await?;
    }
    ca.view.reload().await?;
    Ok(())
}

/// Writes a bundle if it may take the place of the one held.
pub(crate) async fn keep_bundle(ca: &Ca, bundle: &Bundle) -> Result<(), MembershipError> {
    let kept = ca
        .tables
        .bundles
        .update(bundle.trust_domain.as_str(), |held: Option<Bundle>| {
            match held {
                Some(held) if held == *bundle => return Ok(Change::Keep),
                Some(held) => held.accept(bundle)?,
                None => bundle.check()?,
            }
            Ok(Change::Put(bundle.clone()))
        })
        .await;
    match kept {
        Ok(_) => {
            ca.view.reload().await?;
            Ok(())
        }
        Err(UpdateError::Refused(refused)) => Err(MembershipError::Bundle(refused)),
        Err(UpdateError::Table(error)) => Err(error.into()),
    }
}

/// Removes a peer, its bundle and what it acknowledged.
pub(crate) async fn dismiss(
    ca: &Ca,
    cluster: &ClusterId,
    domain: &TrustDomain,
) -> Result<(), MembershipError> {
    let (peers, bundles) = (&ca.tables.peers, &ca.tables.bundles);
    peers.delete(cluster.as_str(), Expected::Any).await?;
    ca.view.reload().await?;
    bundles.delete(domain.as_str(), Expected::Any).await?;
    let caller = Caller::Peer {
        cluster: cluster.clone(),
    };
    let observer = caller.observer();
    ca.tables.observers.delete(&observer, Expected::Any).await?;
    ca.view.reload().await?;
    Ok(())
}
