//! Our own SVID and intermediate, replaced before they end.
//!
//! It looks at the wall clock every few seconds instead of sleeping until a
//! moment, so that a suspended machine renews when it wakes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pelago_ca_core::RequestedKey;
use pelago_ca_core::authority::is_due;
use pelago_ca_core::csr::CsrError;
use pelago_ca_core::entitlement::{Ask, Refusal, Requester, decide};
use pelago_identity::{KeyRequest, Svid, SvidError};

use crate::ca::Ca;
use crate::counters::Counters;
use crate::entropy::random;
use crate::issuance::IssueFailed;
use crate::redeem::{purge, recover};
use crate::signing;

/// Why the controller has no (new) SVID.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    #[error("a key could not be made")]
    Key(#[from] pelago_identity::CsrError),
    #[error("our own request was refused")]
    Csr(#[from] CsrError),
    #[error("our own identity was refused")]
    Refused(#[from] Refusal),
    #[error("our own certificate could not be signed")]
    Issue(#[from] IssueFailed),
    #[error("our own certificate cannot be used")]
    Svid(#[from] SvidError),
}

/// Issues the controller's own SVID. Returns when to do so again, Unix seconds.
pub(crate) async fn own(ca: &Ca) -> Result<u64, RenewError> {
    let now = ca.now();
    let request = KeyRequest::generate()?;
    let key = RequestedKey::read(&request.csr)?;
    let entitled = decide(
        &ca.realm,
        ca.config.terms(),
        Requester::Controller,
        Ask::Own,
    )?;
    let names: Vec<String> = ca
        .config
        .dns_names
        .iter()
        .map(ToString::to_string)
        .collect();
    let plan = ca.issuance.plan(entitled, now)?;
    let issued = ca.issuance.sign(&plan, key.spki(), &names).await?;
    let svid = Arc::new(Svid::new(issued.chain, request.key)?);
    Counters::ends(&ca.counters.svid_ends, svid.not_after());
    ca.view.identity().update(|state| state.own = Some(svid));
    Ok(now.saturating_add(jittered(plan.renew_after)))
}

/// Keeps own SVID and intermediate fresh, for ever.
pub(crate) async fn run(ca: Arc<Ca>, first: u64) {
    let step = (ca.config.renew_every / 8).clamp(SHORTEST, LONGEST);
    let mut due = first;
    let mut purged = ca.now();
    loop {
        tokio::time::sleep(step).await;
        match pass(&ca, due).await {
            Ok(next) => due = next,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "our own certificates could not be renewed: trying again"
            ),
        }
        finish(&ca).await;
        if ca.now() > purged.saturating_add(PURGE) {
            purged = ca.now();
            if let Err(error) = purge(&ca).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "old tokens could not be forgotten: trying again later"
                );
            }
        }
    }
}

async fn pass(ca: &Ca, due: u64) -> Result<u64, RenewError> {
    let now = ca.now();
    let rotated = rotate(ca, now).await;
    // A moment that is further away than any is chosen: the clock went back,
    // and our SVID may not have begun.
    let far = due > now.saturating_add(ca.config.renew_every.as_secs());
    if rotated || now >= due || far {
        return own(ca).await;
    }
    Ok(due)
}

/// Replaces the intermediate if it is due. While that fails the present one
/// signs on, and our own SVID is renewed by it.
async fn rotate(ca: &Ca, now: u64) -> bool {
    let active = ca.issuance.active().authority;
    let lead = ca.config.svid_ttl.as_secs();
    if !is_due(active.not_before, active.not_after, now, lead) {
        return false;
    }
    match signing::refresh(&ca.tables, ca.issuance.keyring(), &ca.config, now).await {
        Ok(next) => {
            Counters::ends(&ca.counters.intermediate_ends, next.authority.not_after);
            ca.issuance.replace(next);
            true
        }
        Err(error) => {
            tracing::error!(
                authority = active.id,
                not_after = active.not_after,
                error = &error as &dyn std::error::Error,
                "the intermediate could not be replaced: trying again"
            );
            false
        }
    }
}

/// Writes again what could not be written before.
async fn finish(ca: &Ca) {
    if !ca.unfinished.swap(false, Ordering::Relaxed) {
        return;
    }
    if let Err(error) = recover(ca).await {
        ca.unfinished.store(true, Ordering::Relaxed);
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "what was decided could not be written out: trying again"
        );
    }
}

/// Up to a tenth earlier, so that replicas do not renew in step.
fn jittered(seconds: u64) -> u64 {
    let draw = random().map(u16::from_be_bytes).unwrap_or_default();
    let tenth = seconds / 10;
    seconds - tenth * u64::from(draw) / (u64::from(u16::MAX) + 1)
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
const PURGE: u64 = 3600;
