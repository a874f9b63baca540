//! Redeeming tokens: one compare-and-swap decides, everything else derives.
//!
//! What can be refused is refused before the swap. Afterwards records and audit
//! are written from the redeemed record; a crash in between is made good by
//! [`recover`] at the next start, or by the same key asking again.

mod error;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use pelago_ca_core::entitlement::{Ask, Requester, decide};
use pelago_ca_core::join::{Claim, check, check_merge, check_proof, check_roots};
use pelago_ca_core::token::{Outcome, Redeem, TokenId, TokenState, redeem};
use pelago_ca_core::{RequestedKey, TokenRecord};
use pelago_identity::PeerCertificate;
use pelago_model::token::{Pin, Purpose, Secret};
use pelago_model::{Bundle, BundleSet, ClusterId, Grant, SpiffeId};
use pelago_store::{Change, UpdateError};
use pelago_svid::Usage;
use pelago_wire::trust::Issued;

use crate::ca::Ca;

pub(crate) use error::RedeemError;
use settle::Written;
pub(crate) use settle::{purge, recover};

/// Lets a node or gateway in: its first certificate.
pub(crate) async fn enrol(ca: &Ca, secret: &Secret, csr: &[u8]) -> Result<Issued, RedeemError> {
    let (id, record) = find(ca, secret).await?;
    let Purpose::Part { kind, name } = &record.purpose else {
        return Err(RedeemError::PeerToken);
    };
    // A signature is worth computing for the holder of a token only.
    let key = RequestedKey::read(csr)?;
    let now = ca.now();
    let requester = Requester::Token { kind: *kind, name };
    let entitled = decide(&ca.realm, ca.config.terms(), requester, Ask::Own)?;
    let plan = ca.issuance.plan(entitled, now)?;
    let swapped = swap(
        ca,
        &id,
        record.purpose.clone(),
        key.pin(),
        now,
        Outcome::Enrolled(plan),
    );
    let (record, written) = swapped.await?;
    settle::settle(ca, &id, written).await?;
    let TokenState::Used { outcome, .. } = record.state else {
        return Err(RedeemError::Unknown);
    };
    let Outcome::Enrolled(plan) = *outcome else {
        return Err(RedeemError::Unknown);
    };
    let issued = ca.issuance.sign(&plan, key.spki(), &[]).await?;
    Ok(Issued {
        spiffe_id: plan.id,
        chain: issued.chain,
        renew_after: Duration::from_secs(plan.renew_after),
    })
}

/// Lets another cluster in. Returns what we grant to it.
pub(crate) async fn join(
    ca: &Ca,
    secret: &Secret,
    certificate: &PeerCertificate,
    claim: &Claim,
) -> Result<Grant, RedeemError> {
    let (id, record) = find(ca, secret).await?;
    let Purpose::Peer { grant } = record.purpose.clone() else {
        return Err(RedeemError::NodeToken);
    };
    let now = ca.now();
    let proof = prove(certificate, &claim.bundle, now)?;
    // A token that is spent says so before the claim is judged.
    judge(ca, &record, &proof.key, now)?;
    check_proof(claim, &proof.id, proof.issuer.as_ref())?;
    let peers: Vec<_> = ca.view.peers().values().cloned().collect();
    let held = ca.view.bundles();
    check(&ca.realm, &peers, &held, claim)?;
    let domain = &claim.bundle.trust_domain;
    check_roots(&held, &claim.cluster, domain, &[proof.authority])?;
    check_merge(&grant, claim)?;
    let outcome = Outcome::Joined {
        peer: claim.peer(grant.clone()),
        bundle: claim.bundle.clone(),
    };
    let (_, written) = swap(ca, &id, record.purpose, proof.key, now, outcome).await?;
    settle::settle(ca, &id, written).await?;
    Ok(grant)
}

/// The record of the token with this secret.
async fn find(ca: &Ca, secret: &Secret) -> Result<(TokenId, TokenRecord), RedeemError> {
    let id = TokenId::of(secret);
    let found = ca.tables.tokens.get(id.as_str()).await?;
    let found = found.ok_or(RedeemError::Unknown)?;
    Ok((id, found.value))
}

fn judge(ca: &Ca, record: &TokenRecord, key: &Pin, now: u64) -> Result<(), RedeemError> {
    match redeem(record, key, now) {
        Redeem::First | Redeem::Again(_) => Ok(()),
        Redeem::Used => Err(RedeemError::used(&ca.realm.cluster, &record.purpose)),
        Redeem::Expired => Err(RedeemError::expired(&ca.realm.cluster, &record.purpose)),
    }
}

/// The one swap: afterwards the record is redeemed by `key`, with `outcome` or
/// with the one that the same key got before.
async fn swap(
    ca: &Ca,
    id: &TokenId,
    purpose: Purpose,
    key: Pin,
    now: u64,
    outcome: Outcome,
) -> Result<(TokenRecord, Written), RedeemError> {
    let cluster = &ca.realm.cluster;
    let mut written = Written::PerhapsInPart;
    let swapped = ca
        .tables
        .tokens
        .update(id.as_str(), |found: Option<TokenRecord>| {
            let record = found.ok_or(RedeemError::Unknown)?;
            match redeem(&record, &key, now) {
                Redeem::First => {
                    written = Written::Nothing;
                    Ok(Change::Put(record.used(key, now, outcome.clone())))
                }
                Redeem::Again(_) => {
                    written = Written::PerhapsInPart;
                    Ok(Change::Keep)
                }
                Redeem::Used => Err(RedeemError::used(cluster, &purpose)),
                Redeem::Expired => Err(RedeemError::expired(cluster, &purpose)),
            }
        })
        .await;
    match swapped {
        Ok(record) => Ok((record.ok_or(RedeemError::Unknown)?, written)),
        Err(UpdateError::Refused(refused)) => Err(refused),
        Err(UpdateError::Table(error)) => Err(error.into()),
    }
}

/// Who the joiner's TLS certificate proves, judged by the bundle it offers.
struct Proof {
    id: SpiffeId,
    issuer: Option<ClusterId>,
    authority: Pin,
    key: Pin,
}

fn prove(certificate: &PeerCertificate, offered: &Bundle, now: u64) -> Result<Proof, RedeemError> {
    let verified = match certificate {
        PeerCertificate::Absent => return Err(RedeemError::NoCertificate),
        PeerCertificate::Unverified { chain, .. } => {
            let mut only = BundleSet::default();
            let accepted = only.accept(Arc::new(offered.clone()));
            accepted.map_err(RedeemError::Bundle)?;
            pelago_svid::verify(chain, &only, Usage::Client, now)
                .map_err(|source| RedeemError::Unproven(Box::new(source)))?
        }
        // Known already, by the bundle we hold: its root must be offered too.
        PeerCertificate::Verified(peer) => {
            let root = Some(peer.authority());
            let mut roots = offered.x509_authorities.iter();
            if !roots.any(|der| pelago_svid::pin(der) == root) {
                return Err(RedeemError::RootNotOffered);
            }
            peer.clone()
        }
    };
    Ok(Proof {
        id: verified.id().clone(),
        issuer: verified.issuer_cluster().cloned(),
        authority: verified.authority(),
        key: verified.key(),
    })
}
