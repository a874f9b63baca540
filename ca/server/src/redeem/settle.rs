//! Writing what follows from a redeemed token: records, then audit, then the
//! mark that all is written.

use std::sync::atomic::Ordering;

use pelago_ca_core::TokenRecord;
use pelago_ca_core::caller::Caller;
use pelago_ca_core::token::{Certificate, Outcome, TokenId, TokenState};
use pelago_model::token::Purpose;
use pelago_runtime::clock::UnixTime;
use pelago_store::{Actor, AuditEntry, Change, Expected, Outcome as Done, UpdateError};

use super::error::RedeemError;
use crate::ca::Ca;
use crate::intent;
use crate::membership::admit;
use crate::tables::NodeRecord;

/// Writes what is missing after the token `id` was redeemed. One at a time, so
/// that the same key asking twice at once is audited once.
pub(super) async fn settle(ca: &Ca, id: &TokenId, written: Written) -> Result<(), RedeemError> {
    let _alone = ca.settling.lock().await;
    let settled = settle_alone(ca, id, written).await;
    if settled.as_ref().is_err_and(RedeemError::is_ours) {
        ca.unfinished.store(true, Ordering::Relaxed);
    }
    settled
}

/// What may have been written of what follows from a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It was redeemed just now.
    Nothing,
    /// It was redeemed before.
    PerhapsInPart,
}

async fn settle_alone(ca: &Ca, id: &TokenId, written: Written) -> Result<(), RedeemError> {
    let found = ca.tables.tokens.get(id.as_str()).await?;
    let Some(record) = found.map(|found| found.value) else {
        return Ok(());
    };
    let Some(outcome) = record.unsettled() else {
        return still_in(ca, &record).await;
    };
    let (verb, object) = match outcome {
        Outcome::Enrolled(certificate) => {
            write_node(ca, &record, certificate).await?;
            ("node.enrol", certificate.id.to_string())
        }
        Outcome::Joined { peer, bundle } => {
            intent::finish_earlier(ca, &peer.cluster).await?;
            admit(ca, peer, bundle).await?;
            ("peer.joined", format!("peer/{}", peer.cluster))
        }
    };
    let entry = AuditEntry {
        time: record
            .redeemed_at()
            .map_or_else(|| ca.clock.now(), UnixTime::from_secs),
        actor: Actor::Token(id.short().to_owned()),
        verb: verb.to_owned(),
        object,
        outcome: Done::Done,
        reason: None,
    };
    match written {
        Written::Nothing => ca.tables.audit.record(entry).await?,
        Written::PerhapsInPart => ca.tables.audit.record_once(entry).await?,
    };
    let marked = ca
        .tables
        .tokens
        .update(id.as_str(), |found: Option<TokenRecord>| {
            Ok::<_, std::convert::Infallible>(
                found.map_or(Change::Keep, |record| Change::Put(record.settled())),
            )
        })
        .await;
    match marked {
        Ok(_) => Ok(()),
        Err(UpdateError::Table(error)) => Err(error.into()),
        Err(UpdateError::Refused(never)) => match never {},
    }
}

/// Makes good what a crash or a failure of the store left undone.
pub(crate) async fn recover(ca: &Ca) -> Result<(), RedeemError> {
    intent::finish_all(ca).await?;
    for row in ca.tables.tokens.list().await?.rows {
        if row.value.unsettled().is_none() {
            continue;
        }
        tracing::info!("a redeemed token is written out again");
        let id = TokenId::from_key(row.id);
        match settle(ca, &id, Written::PerhapsInPart).await {
            // Settled by its holder meanwhile, and removed again: all is written.
            Ok(()) | Err(RedeemError::Used { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Forgets tokens that expired long ago.
pub(crate) async fn purge(ca: &Ca) -> Result<(), RedeemError> {
    let now = ca.now();
    for row in ca.tables.tokens.list().await?.rows {
        let old = row.value.expires.saturating_add(KEEP) < now;
        if old && row.value.unsettled().is_none() {
            let expected = Expected::Revision(row.revision);
            ca.tables.tokens.delete(&row.id, expected).await?;
        }
    }
    Ok(())
}

/// A repeated answer is good only while whoever was let in is still in: what an
/// operator removed does not come back with an old token.
async fn still_in(ca: &Ca, record: &TokenRecord) -> Result<(), RedeemError> {
    let TokenState::Used { outcome, .. } = &record.state else {
        return Ok(());
    };
    let there = match outcome.as_ref() {
        Outcome::Enrolled(_) => match node_key(record) {
            Some(key) => ca.tables.nodes.get(&key).await?.is_some(),
            None => false,
        },
        Outcome::Joined { peer, .. } => ca.tables.peers.get(peer.cluster.as_str()).await?.is_some(),
    };
    if there {
        return Ok(());
    }
    Err(RedeemError::used(&ca.realm.cluster, &record.purpose))
}

async fn write_node(
    ca: &Ca,
    record: &TokenRecord,
    certificate: &Certificate,
) -> Result<(), RedeemError> {
    let Purpose::Part { kind, name } = &record.purpose else {
        return Ok(());
    };
    let enrolled = match record.state {
        TokenState::Used { at, .. } => at,
        TokenState::Unused => return Ok(()),
    };
    let node = NodeRecord {
        kind: *kind,
        name: name.clone(),
        id: certificate.id.clone(),
        enrolled,
        svid_expires: certificate.not_after,
    };
    let key = node_key(record).unwrap_or_default();
    ca.tables.nodes.put(&key, Expected::Any, &node).await?;
    Ok(())
}

fn node_key(record: &TokenRecord) -> Option<String> {
    match &record.purpose {
        Purpose::Part { kind, name } => Some(
            Caller::Part {
                kind: *kind,
                name: name.clone(),
            }
            .observer(),
        ),
        Purpose::Peer { .. } => None,
    }
}

/// How long a spent token is remembered, in seconds: it can still say that it
/// was used.
const KEEP: u64 = 30 * 24 * 3600;
