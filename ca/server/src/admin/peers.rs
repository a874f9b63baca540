//! Inspecting a token, joining by it, removing a peer.

use pelago_identity::PinnedError;
use pelago_model::ClusterId;
use pelago_store::Actor;
use pelago_wire::admin::{
    InspectPeerTokenRequest, InspectPeerTokenResponse, JoinPeerRequest, JoinPeerResponse,
    RemovePeerRequest, RemovePeerResponse,
};
use tonic::Status;

use super::tokens::{opens, patterns};
use crate::ca::Ca;
use crate::intent;
use crate::peers::{self, JoinError, Plan};
use crate::report::{chain, failed};
use crate::tables::PeerChange;

/// What a token would open, without using it.
pub(super) fn inspect(
    ca: &Ca,
    asked: &InspectPeerTokenRequest,
) -> Result<InspectPeerTokenResponse, Status> {
    let export = patterns("export", &asked.export)?;
    let plan = peers::plan(ca, &asked.token, export).map_err(|error| refused(&error))?;
    Ok(InspectPeerTokenResponse {
        cluster: plan.token.cluster.to_string(),
        controller: plan.token.controller.to_string(),
        addresses: plan
            .token
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect(),
        expires: plan.token.expires,
        opens: both_ways(ca, &plan),
    })
}

/// Joins the cluster that issued a token.
pub(super) async fn join(
    ca: &Ca,
    actor: &Actor,
    asked: &JoinPeerRequest,
) -> Result<JoinPeerResponse, Status> {
    let export = patterns("export", &asked.export)?;
    let plan = peers::plan(ca, &asked.token, export).map_err(|error| refused(&error))?;
    let joined = peers::join(ca, &plan, actor, &asked.reason).await;
    let peer = joined.map_err(|error| refused(&error))?;
    tracing::info!(peer = %peer.cluster, "joined a cluster");
    Ok(JoinPeerResponse {
        cluster: peer.cluster.to_string(),
        trust_domain: peer.trust_domain.to_string(),
        controller: peer.controller.to_string(),
        opens: both_ways(ca, &plan),
    })
}

/// Removes a peer: its trust ends now.
pub(super) async fn remove(
    ca: &Ca,
    actor: &Actor,
    asked: &RemovePeerRequest,
) -> Result<RemovePeerResponse, Status> {
    let cluster = ClusterId::parse(&asked.cluster)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let found = ca.tables.peers.get(cluster.as_str()).await;
    let found = found.map_err(|error| failed(&error))?.ok_or_else(|| {
        Status::not_found(format!(
            "no peer {cluster} is known here: `pelago peer list` shows those that are"
        ))
    })?;
    let removed = found.value.trust_domain;
    let change = PeerChange::Dismiss {
        cluster: cluster.clone(),
        trust_domain: removed.clone(),
    };
    let done = intent::carry_out(ca, actor, &asked.reason, change).await;
    done.map_err(|error| failed(&error))?;
    tracing::info!(peer = %cluster, trust_domain = %removed, "removed a peer");
    Ok(RemovePeerResponse {
        trust_domain: removed.to_string(),
    })
}

/// What opens on either side; merges are told once.
fn both_ways(ca: &Ca, plan: &Plan) -> Vec<String> {
    let (ours, theirs) = (&ca.realm.cluster, &plan.token.cluster);
    let mut lines = opens(theirs, ours.as_str(), &plan.theirs);
    for line in opens(ours, theirs.as_str(), &without_merge(plan)) {
        lines.push(line);
    }
    lines
}

fn without_merge(plan: &Plan) -> pelago_model::Grant {
    pelago_model::Grant {
        export: plan.ours.export.clone(),
        merge: Vec::new(),
    }
}

fn refused(error: &JoinError) -> Status {
    let text = chain(error);
    match error {
        JoinError::Token(_) | JoinError::NodeToken => Status::invalid_argument(text),
        // Somebody answered, and not the one the token names.
        JoinError::Reach { source, .. }
            if source.is_impostor() || matches!(source, PinnedError::Expired { .. }) =>
        {
            Status::failed_precondition(text)
        }
        JoinError::Reach { .. }
        | JoinError::Timeout { .. }
        | JoinError::NoSvid
        | JoinError::Intent(_) => Status::unavailable(text),
        JoinError::Status { status, .. } if status.code() == tonic::Code::Unavailable => {
            Status::unavailable(text)
        }
        _ => Status::failed_precondition(text),
    }
}
