//! Delta ADS for our own nodes and gateways.
//!
//! A client is who its certificate proves: a node or gateway of this cluster,
//! issued by this cluster; what it says of itself is attributed to that. Nothing
//! is told before every source has been read once, since an empty snapshot would
//! take everything away.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pelago_identity::PeerInfo;
use pelago_model::{ClusterId, Name, PartKind, Snapshot, SpiffeId, TrustDomain};
use pelago_runtime::backoff::Backoff;
use pelago_wire::admin::ClientInfo;
use pelago_wire::ads::aggregated_discovery_service_server::AggregatedDiscoveryService;
use pelago_wire::ads::{Client, DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use pelago_xds::Progress;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::registry::Registry;

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
    pub(crate) registrations: mpsc::Sender<Registration>,
}

/// A gateway that told where it listens.
pub(crate) struct Registration {
    id: SpiffeId,
    name: Name,
    client: Client,
}

/// Who follows discovery now, and how far each is.
#[derive(Debug, Default)]
pub(crate) struct Clients {
    progress: Mutex<BTreeMap<SpiffeId, watch::Receiver<Progress>>>,
}

impl Clients {
    fn admit(&self, id: SpiffeId) -> watch::Sender<Progress> {
        let (report, progress) = watch::channel(Progress::default());
        let mut clients = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|_, progress| progress.has_changed().is_ok());
        clients.insert(id, progress);
        report
    }

    /// Those whose stream is open.
    pub(crate) fn list(&self) -> Vec<ClientInfo> {
        let clients = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients
            .iter()
            .filter(|(_, progress)| progress.has_changed().is_ok());
        let info = |(id, progress): (&SpiffeId, &watch::Receiver<Progress>)| {
            let progress = progress.borrow();
            ClientInfo {
                identity: id.to_string(),
                synced: progress.synced,
                last_error: progress.last_error.clone(),
            }
        };
        open.map(info).collect()
    }
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
        let admit = move |client: &Client| service.admit(id, kind, name, client);
        let responses = pelago_xds::server::serve(request.into_inner(), snapshots, admit);
        Ok(Response::new(Box::pin(responses)))
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
    ) -> Result<watch::Sender<Progress>, Status> {
        if client.id != id {
            return Err(Status::permission_denied(
                "node.id is not the identity that the certificate proves",
            ));
        }
        if kind == PartKind::Gateway {
            let registration = Registration {
                id: id.clone(),
                name,
                client: client.clone(),
            };
            self.registrations.try_send(registration).map_err(|_| {
                Status::unavailable("too many gateways register at once: try again")
            })?;
        }
        Ok(self.clients.admit(id))
    }
}

/// Writes registrations down, one after the other, until dropped.
pub(crate) async fn register(registry: Registry, mut registrations: mpsc::Receiver<Registration>) {
    while let Some(Registration { id, name, client }) = registrations.recv().await {
        let mut backoff = Backoff::new(
            Duration::from_millis(50),
            Duration::from_secs(1),
            fastrand::u64(..),
        );
        while let Err(error) = registry.register(&id, name.clone(), client.clone()).await {
            tracing::error!(gateway = %id, error = &error as &dyn std::error::Error, "a gateway's registration cannot be written");
            sleep(backoff.failed()).await;
        }
    }
}

/// How long a client waits for the sources at start-up.
const READING: Duration = Duration::from_secs(10);
