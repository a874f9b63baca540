//! Inspecting a token, joining by it, removing a peer.

use std::sync::Arc;

use pelago_model::ClusterId;
use pelago_wire::admin::{
    InspectPeerTokenRequest, InspectPeerTokenResponse, JoinPeerRequest, JoinPeerResponse,
    RemovePeerRequest, RemovePeerResponse,
};
use tonic::Status;

use super::tokens::{opens, patterns};
use crate::ca::Ca;
use crate::membership::dismiss;
use crate::peers::{self, JoinError, Plan};
use crate::report::{chain, failed};

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
pub(super) async fn join(ca: &Ca, asked: &JoinPeerRequest) -> Result<JoinPeerResponse, Status> {
    let export = patterns("export", &asked.export)?;
    let plan = peers::plan(ca, &asked.token, export).map_err(|error| refused(&error))?;
    let peer = peers::join(ca, &plan)
        .await
        .map_err(|error| refused(&error))?;
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
    ca: &Arc<Ca>,
    asked: &RemovePeerRequest,
) -> Result<RemovePeerResponse, Status> {
    let cluster = ClusterId::parse(&asked.cluster)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let removed = dismiss(ca, &cluster)
        .await
        .map_err(|error| failed(&error))?;
    let removed = removed.ok_or_else(|| {
        Status::not_found(format!(
            "no peer {cluster} is known here: `pelago peer list` shows those that are"
        ))
    })?;
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
        JoinError::Reach { .. }
        | JoinError::Timeout { .. }
        | JoinError::NoSvid
        | JoinError::Membership(_) => Status::unavailable(text),
        JoinError::Status { status, .. } if status.code() == tonic::Code::Unavailable => {
            Status::unavailable(text)
        }
        _ => Status::failed_precondition(text),
    }
}
