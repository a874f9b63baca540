//! What is there: nodes, authorities, bundles with their holders, the audit.

use pelago_ca_core::observer::Observer;
use pelago_model::TrustDomain;
use pelago_store::Outcome;
use pelago_wire::admin::{
    AuditInfo, AuthorityInfo, BundleInfo, Holder, ListAuditResponse, ListNodesResponse, NodeInfo,
    TrustStatusResponse,
};
use tonic::Status;

use crate::ca::Ca;
use crate::report::failed;

/// Nodes and gateways that enrolled.
pub(super) async fn nodes(ca: &Ca) -> Result<ListNodesResponse, Status> {
    let rows = ca.tables.nodes.list().await;
    let rows = rows.map_err(|error| failed(&error))?.rows;
    let entries = ca.view.entries();
    let nodes = rows
        .into_iter()
        .map(|row| {
            let node = row.value;
            let workloads = match node.kind {
                pelago_model::PartKind::Node => entries.of_node(&node.name),
                pelago_model::PartKind::Gateway => &[],
            };
            NodeInfo {
                name: node.name.to_string(),
                kind: node.kind.as_str().to_owned(),
                spiffe_id: node.id.to_string(),
                enrolled: node.enrolled,
                connected: ca.seats.has(&row.id),
                svid_expires: node.svid_expires,
                workloads: workloads
                    .iter()
                    .map(|entry| entry.spiffe_id.to_string())
                    .collect(),
            }
        })
        .collect();
    Ok(ListNodesResponse { nodes })
}

/// Authorities and bundles.
pub(super) async fn trust(ca: &Ca) -> Result<TrustStatusResponse, Status> {
    let authorities = ca.tables.authorities.list().await;
    let authorities = authorities.map_err(|error| failed(&error))?.rows;
    let observers = ca.tables.observers.list().await;
    let observers: Vec<(String, Observer)> = observers
        .map_err(|error| failed(&error))?
        .rows
        .into_iter()
        .map(|row| (row.id, row.value))
        .collect();
    let authorities = authorities
        .into_iter()
        .map(|row| AuthorityInfo {
            pin: pelago_svid::pin(&row.value.certificate)
                .map(|pin| pin.to_string())
                .unwrap_or_default(),
            id: row.value.id,
            kind: row.value.kind.as_str().to_owned(),
            state: row.value.state.as_str().to_owned(),
            not_before: row.value.not_before,
            not_after: row.value.not_after,
        })
        .collect();
    let held = ca.view.bundles();
    let bundles = held
        .iter()
        .map(|bundle| BundleInfo {
            trust_domain: bundle.trust_domain.to_string(),
            sequence: bundle.sequence,
            version: bundle.version().to_string(),
            authorities: u32::try_from(bundle.x509_authorities.len()).unwrap_or(u32::MAX),
            holders: holders(&observers, &bundle.trust_domain),
        })
        .collect();
    Ok(TrustStatusResponse {
        cluster: ca.realm.cluster.to_string(),
        trust_domain: ca.realm.trust_domain.to_string(),
        authorities,
        bundles,
    })
}

/// The newest audit entries.
pub(super) async fn audit(ca: &Ca, limit: u32) -> Result<ListAuditResponse, Status> {
    let limit = match limit {
        0 => DEFAULT_AUDIT,
        limit => usize::try_from(limit).unwrap_or(DEFAULT_AUDIT),
    };
    let records = ca.tables.audit.list(limit).await;
    let entries = records
        .map_err(|error| failed(&error))?
        .into_iter()
        .map(|record| AuditInfo {
            sequence: record.sequence,
            time: record.time.as_secs(),
            actor: record.actor,
            verb: record.verb,
            object: record.object,
            outcome: match record.outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::Failed => "failed",
            }
            .to_owned(),
            reason: record.reason.unwrap_or_default(),
        })
        .collect();
    Ok(ListAuditResponse { entries })
}

fn holders(observers: &[(String, Observer)], domain: &TrustDomain) -> Vec<Holder> {
    observers
        .iter()
        .filter_map(|(name, observer)| {
            let holding = observer.holdings.get(domain)?;
            Some(Holder {
                observer: name.clone(),
                sequence: holding.sequence,
                acknowledged: holding.acknowledged,
            })
        })
        .collect()
}

const DEFAULT_AUDIT: usize = 100;
