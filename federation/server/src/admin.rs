//! The `MeshAdmin` service: what peers and sources are up to.
//!
//! It changes nothing. Every caller is an [`Actor`] that the listener put into
//! the request; one without is nobody.

use std::sync::Arc;

use pelago_model::{ClusterId, NetworkId, TrustDomain};
use pelago_store::Actor;
use pelago_wire::admin::mesh_admin_server::MeshAdmin;
use pelago_wire::admin::{
    self, ListPeersRequest, ListPeersResponse, PeerInfo, StatusRequest, StatusResponse,
};
use tokio::sync::{mpsc, oneshot};
use tonic::{Request, Response, Status};

use crate::discovery::Clients;
use crate::reconcile::{Ask, PeerReport, StatusReport};

/// Answers people.
#[derive(Clone)]
pub(crate) struct AdminService {
    pub(crate) cluster: ClusterId,
    pub(crate) trust_domain: TrustDomain,
    pub(crate) network: NetworkId,
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) clients: Arc<Clients>,
}

impl AdminService {
    async fn ask(&self) -> Result<StatusReport, Status> {
        let gone = || Status::unavailable("the controller is starting or stopping: try again");
        let (ask, answer) = oneshot::channel();
        self.asks.send(ask).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

#[tonic::async_trait]
impl MeshAdmin for AdminService {
    async fn list_peers(
        &self,
        request: Request<ListPeersRequest>,
    ) -> Result<Response<ListPeersResponse>, Status> {
        authenticated(&request)?;
        let peers = self.ask().await?.peers.into_iter().map(peer).collect();
        Ok(Response::new(ListPeersResponse { peers }))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<StatusResponse>, Status> {
        authenticated(&request)?;
        let report = self.ask().await?;
        let findings = report.findings.into_iter().map(|finding| admin::Finding {
            severity: finding.severity.as_str().to_owned(),
            source: match finding.line {
                0 => finding.source,
                line => format!("{}:{line}", finding.source),
            },
            object: finding.object,
            field: finding.field,
            message: finding.message,
        });
        Ok(Response::new(StatusResponse {
            cluster: self.cluster.to_string(),
            trust_domain: self.trust_domain.to_string(),
            network: self.network.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state_hash: report.hash.to_string(),
            services: count(report.services),
            workloads: count(report.workloads),
            gateways: count(report.gateways),
            policies: count(report.policies),
            clients: self.clients.list(),
            peers: report.peers.into_iter().map(peer).collect(),
            findings: findings.collect(),
        }))
    }
}

fn authenticated<T>(request: &Request<T>) -> Result<(), Status> {
    let actor = request.extensions().get::<Actor>();
    actor.map(|_| ()).ok_or_else(|| {
        Status::unauthenticated("the caller is not known: use the controller's admin socket")
    })
}

fn peer(peer: PeerReport) -> PeerInfo {
    let texts = |patterns: &[pelago_model::ServicePattern]| {
        patterns.iter().map(ToString::to_string).collect()
    };
    PeerInfo {
        cluster: peer.cluster.to_string(),
        trust_domain: peer.trust_domain.to_string(),
        state: peer.state.to_owned(),
        exports: texts(&peer.exports),
        merges: texts(&peer.merges),
        imported_services: count(peer.services),
        imported_endpoints: count(peer.endpoints),
        since: peer.since,
        our_hash: peer.ours.to_string(),
        their_hash: peer.theirs.to_string(),
        last_error: match (peer.last_error, peer.refused) {
            (error, 0) => error,
            (error, refused) if error.is_empty() => {
                format!("{refused} statements were refused, see status")
            }
            (error, refused) => format!("{error}; {refused} statements were refused, see status"),
        },
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
