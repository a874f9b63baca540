//! Delta ADS for our own nodes and gateways.
//!
//! A client is who its certificate proves: a node or gateway of this cluster,
//! issued by this cluster; what it says of itself is attributed to that. Nothing
//! is told before every source has been read once, since an empty snapshot would
//! take everything away.

mod clients;
mod registrations;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use pelago_identity::PeerInfo;
use pelago_model::{ClusterId, Name, PartKind, Snapshot, SpiffeId, TrustDomain};
use pelago_wire::ads::aggregated_discovery_service_server::AggregatedDiscoveryService;
use pelago_wire::ads::{Client, DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use pelago_xds::Progress;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::registry::Registry;

pub(crate) use clients::Clients;
pub(crate) use registrations::{Registrations, register};

/// Answers our own nodes and gateways.
#[derive(Clone)]
pub(crate) struct DiscoveryService {
    pub(crate) cluster: ClusterId,
    pub(crate) trust_domain: TrustDomain,
    pub(crate) registry: Registry,
    /// Whether every source has been read.
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) nodes: watch::Receiver<Arc<Snapshot>>,
    pub(crate) gateways: watch::Receiver<Arc<Snapshot>>,
    pub(crate) clients: Arc<Clients>,
    pub(crate) registrations: Arc<Registrations>,
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for DiscoveryService {
    type DeltaAggregatedResourcesStream =
        Pin<Box<dyn Stream<Item = Result<DeltaDiscoveryResponse, Status>> + Send>>;

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (id, kind, name) = self.caller(&request)?;
        let mut ready = self.ready.clone();
        let reading = timeout(READING, ready.wait_for(|ready| *ready)).await;
        if !matches!(reading, Ok(Ok(_))) {
            return Err(Status::unavailable(
                "the sources are still being read: try again",
            ));
        }
        let snapshots = match kind {
            PartKind::Node => self.nodes.clone(),
            PartKind::Gateway => self.gateways.clone(),
        };
        let service = self.clone();
        let (held, cut) = oneshot::channel();
        let admit = move |client: &Client| service.admit(id, kind, name, client, held);
        let responses = pelago_xds::server::serve(request.into_inner(), snapshots, admit);
        Ok(Response::new(Box::pin(responses.take_until(cut))))
    }
}

impl DiscoveryService {
    /// The part of ours that the certificate proves.
    fn caller<T>(&self, request: &Request<T>) -> Result<(SpiffeId, PartKind, Name), Status> {
        let info = request.extensions().get::<PeerInfo>();
        let verified = info
            .and_then(|info| info.certificate.verified())
            .ok_or_else(|| Status::unauthenticated("a verified client certificate is needed"))?;
        let ours = verified.id().trust_domain() == &self.trust_domain
            && verified.issuer_cluster() == Some(&self.cluster);
        let part = self.registry.part(verified.id()).filter(|_| ours);
        let (kind, name) = part.ok_or_else(|| {
            Status::permission_denied("discovery is for nodes and gateways of this cluster")
        })?;
        Ok((verified.id().clone(), kind, name))
    }

    fn admit(
        &self,
        id: SpiffeId,
        kind: PartKind,
        name: Name,
        client: &Client,
        held: oneshot::Sender<()>,
    ) -> Result<watch::Sender<Progress>, Status> {
        if client.id != id {
            return Err(Status::permission_denied(
                "node.id is not the identity that the certificate proves",
            ));
        }
        if client.advertise.len() > MAX_ADVERTISED {
            return Err(Status::invalid_argument(format!(
                "a gateway advertises at most {MAX_ADVERTISED} addresses"
            )));
        }
        if kind == PartKind::Gateway {
            self.registrations.put(id.clone(), name, client.clone());
        }
        Ok(self.clients.admit(id, held))
    }
}

/// How long a client waits for the sources at start-up.
const READING: Duration = Duration::from_secs(10);
/// As many as a peer takes of one gateway.
const MAX_ADVERTISED: usize = 16;
