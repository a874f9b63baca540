//! Changes of peers that an operator asked for: the intent first, then what
//! follows from it.
//!
//! Peer, bundle and audit are several records. The intent is one, and once it
//! is written the change will be whole: what a crash or a failing store left
//! out is written again, and audited once. One intent per peer at a time; a
//! later one waits for the earlier.

use std::sync::atomic::Ordering;

use pelago_model::ClusterId;
use pelago_store::{Actor, AuditEntry, AuditError, Expected, Outcome, TableError};

use crate::ca::Ca;
use crate::membership::{MembershipError, admit, dismiss};
use crate::tables::{Intent, PeerChange};

/// Why a change is not whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IntentError {
    #[error(
        "an earlier change of this peer could not be completed: nothing was changed, try again"
    )]
    Earlier(#[source] Unwritten),
    #[error("the change could not be written: nothing was changed, try again")]
    NotBegun(#[source] TableError),
    #[error(
        "the change is decided and could not be written whole: it is completed as soon as the store works"
    )]
    Unfinished(#[source] Unwritten),
}

/// What could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    #[error(transparent)]
    Membership(#[from] MembershipError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Decides a change and writes everything that follows from it, the audit
/// included.
pub(crate) async fn carry_out(
    ca: &Ca,
    actor: &Actor,
    reason: &str,
    change: PeerChange,
) -> Result<(), IntentError> {
    let _alone = ca.settling.lock().await;
    let cluster = change.cluster().clone();
    finish_earlier(ca, &cluster).await?;
    let intent = Intent {
        time: ca.clock.now(),
        actor: actor.to_string(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        change,
    };
    let put = ca
        .tables
        .intents
        .put(cluster.as_str(), Expected::Absent, &intent);
    put.await.map_err(IntentError::NotBegun)?;
    let finished = finish(ca, &intent).await;
    if finished.is_err() {
        ca.unfinished.store(true, Ordering::Relaxed);
    }
    finished.map_err(IntentError::Unfinished)
}

/// Completes what was decided of this peer earlier. Call it with
/// [`Ca::settling`] held.
pub(crate) async fn finish_earlier(ca: &Ca, cluster: &ClusterId) -> Result<(), IntentError> {
    let earlier = |error: Unwritten| IntentError::Earlier(error);
    let found = ca.tables.intents.get(cluster.as_str()).await;
    match found.map_err(|error| earlier(error.into()))? {
        Some(found) => finish(ca, &found.value).await.map_err(earlier),
        None => Ok(()),
    }
}

/// Completes everything that was decided.
pub(crate) async fn finish_all(ca: &Ca) -> Result<(), IntentError> {
    let _alone = ca.settling.lock().await;
    let pending = ca.tables.intents.list().await;
    let pending = pending.map_err(|error| IntentError::Unfinished(error.into()))?;
    for row in pending.rows {
        tracing::info!(peer = row.id, "a change of a peer is completed");
        let finished = finish(ca, &row.value).await;
        finished.map_err(IntentError::Unfinished)?;
    }
    Ok(())
}

/// Every step may be repeated; the intent goes last.
async fn finish(ca: &Ca, intent: &Intent) -> Result<(), Unwritten> {
    let verb = match &intent.change {
        PeerChange::Admit { peer, bundle } => {
            admit(ca, peer, bundle).await?;
            "peer.join"
        }
        PeerChange::Dismiss {
            cluster,
            trust_domain,
        } => {
            dismiss(ca, cluster, trust_domain).await?;
            "peer.remove"
        }
    };
    let cluster = intent.change.cluster();
    let entry = AuditEntry {
        time: intent.time,
        actor: Actor::Recorded(intent.actor.clone()),
        verb: verb.to_owned(),
        object: format!("peer/{cluster}"),
        outcome: Outcome::Done,
        reason: intent.reason.clone(),
    };
    ca.tables.audit.record_once(entry).await?;
    ca.tables
        .intents
        .delete(cluster.as_str(), Expected::Any)
        .await?;
    Ok(())
}

impl PeerChange {
    fn cluster(&self) -> &ClusterId {
        match self {
            Self::Admit { peer, .. } => &peer.cluster,
            Self::Dismiss { cluster, .. } => cluster,
        }
    }
}
