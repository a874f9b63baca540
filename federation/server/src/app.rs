//! Composition: one [`Federation`] is the whole wing of a controller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pelago_federation_core::import::Limits;
use pelago_federation_core::lease::Lease;
use pelago_federation_core::session::Settings;
use pelago_identity::Channels;
use pelago_model::{ClusterId, Gateway, Name, Namespace, NetworkId, Peer, Snapshot, TrustDomain};
use pelago_resources::Context;
use pelago_runtime::clock::Clock;
use pelago_runtime::scope::Scope;
use pelago_store::{Store, Table, TableError};
use pelago_wire::MAX_MESSAGE;
use pelago_wire::admin::mesh_admin_server::MeshAdminServer;
use pelago_wire::ads::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use pelago_wire::peering::peering_server::PeeringServer;
use tokio::sync::{Notify, mpsc, watch};

use crate::admin::AdminService;
use crate::diary::Diary;
use crate::discovery::{self, Clients, DiscoveryService, Registrations};
use crate::keep::keep;
use crate::mirror::{self, Rows};
use crate::peering::{self, Accepted, Common, PeeringService, Report};
use crate::persist::{self, Desired, Texts};
use crate::reconcile::{self, Ask, Before, Inputs, Outputs, Terms};
use crate::registry::{self, Registry};
use crate::sources::{self, Source};

/// What a federation is told.
#[derive(Debug, Clone)]
pub struct FederationConfig {
    /// Our cluster.
    pub cluster: ClusterId,
    /// Our trust domain.
    pub trust_domain: TrustDomain,
    /// The network of workloads and gateways that name none.
    pub network: Name,
    /// Policies in this namespace speak of the whole mesh.
    pub root_namespace: Namespace,
    /// Where declarations come from; of two that disagree the first holds.
    pub sources: Vec<Source>,
    /// Between two heartbeats to a peer.
    pub heartbeat: Duration,
    /// How long a silent peer's word stays fresh (1 to 60 s).
    pub lease: Duration,
    /// How long after that it is withdrawn.
    pub withdrawal: Duration,
    /// How much one peer may show.
    pub limits: Limits,
}

impl FederationConfig {
    /// The defaults: heartbeats every second, a lease of five, withdrawal a
    /// minute later, `istio-system` as root namespace.
    #[must_use]
    pub fn new(
        cluster: ClusterId,
        trust_domain: TrustDomain,
        network: Name,
        root_namespace: Namespace,
        sources: Vec<Source>,
    ) -> Self {
        let settings = Settings::default();
        Self {
            cluster,
            trust_domain,
            network,
            root_namespace,
            sources,
            heartbeat: settings.heartbeat,
            lease: settings.lease,
            withdrawal: Duration::from_secs(60),
            limits: Limits::default(),
        }
    }
}

/// Why a federation could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store could not be read.
    #[error("the state of the mesh cannot be read from the store")]
    Store(#[from] TableError),
}

/// The federation wing of one controller.
pub struct Federation {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    discovery: DiscoveryService,
    peering: PeeringService,
    admin: AdminService,
    /// What runs, until it does.
    parts: Mutex<Option<Parts>>,
}

impl Federation {
    /// Reads what was known before a restart. Nothing runs yet.
    ///
    /// # Errors
    /// [`OpenError`] when the store cannot be read.
    pub async fn open(
        config: FederationConfig,
        store: Arc<dyn Store>,
        channels: Channels,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let tables = Tables {
            peers: Table::new(Arc::clone(&store), "peer"),
            gateways: registry::table(Arc::clone(&store)),
        };
        let before = Before {
            policies: persist::load_policies(&store).await?,
            imports: persist::load_imports(&store).await?,
        };
        let texts = persist::load_texts(&store).await?;
        let wires = Wires::new(rows(&tables.peers).await?, rows(&tables.gateways).await?);
        let network = NetworkId::of(config.cluster.clone(), config.network.clone());

        let diary = Diary::new(Arc::clone(&store), Arc::clone(&clock));
        let registry = Registry::new(
            config.cluster.clone(),
            network.clone(),
            Arc::clone(&store),
            diary.clone(),
        );
        let clients = Arc::new(Clients::default());
        Ok(Self {
            snapshot: wires.snapshot.subscribe(),
            discovery: DiscoveryService {
                cluster: config.cluster.clone(),
                trust_domain: config.trust_domain.clone(),
                registry: registry.clone(),
                ready: wires.ready.subscribe(),
                nodes: wires.snapshot.subscribe(),
                gateways: wires.slice.subscribe(),
                clients: Arc::clone(&clients),
                registrations: Arc::clone(&wires.registrations),
            },
            peering: PeeringService::new(wires.peers.subscribe(), wires.accepted.0.clone()),
            admin: AdminService {
                cluster: config.cluster.clone(),
                trust_domain: config.trust_domain.clone(),
                network: network.clone(),
                asks: wires.asks.0.clone(),
                clients,
            },
            parts: Mutex::new(Some(Parts {
                config,
                network,
                store,
                channels,
                clock,
                tables,
                before,
                texts,
                registry,
                diary,
                wires,
            })),
        })
    }

    /// Delta discovery for our own nodes and gateways.
    #[must_use]
    pub fn discovery_service(
        &self,
    ) -> AggregatedDiscoveryServiceServer<
        impl pelago_wire::ads::aggregated_discovery_service_server::AggregatedDiscoveryService + use<>,
    > {
        AggregatedDiscoveryServiceServer::new(self.discovery.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    /// Sessions that peers open.
    #[must_use]
    pub fn peering_service(
        &self,
    ) -> PeeringServer<impl pelago_wire::peering::peering_server::Peering + use<>> {
        PeeringServer::new(self.peering.clone())
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    /// What people ask; callers carry an `Actor` in the request's extensions.
    #[must_use]
    pub fn admin_service(
        &self,
    ) -> MeshAdminServer<impl pelago_wire::admin::mesh_admin_server::MeshAdmin + use<>> {
        MeshAdminServer::new(self.admin.clone())
    }

    /// The merged truth, replaced at each change.
    #[must_use]
    pub fn snapshot(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.clone()
    }

    /// Starts everything in `scope`. A second call does nothing.
    pub fn run(&self, scope: &Scope) {
        let parts = self
            .parts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(parts) = parts {
            parts.run(scope);
        }
    }
}

struct Tables {
    peers: Table<Peer>,
    gateways: Table<Gateway>,
}

/// Every channel between the parts.
struct Wires {
    bell: Arc<Notify>,
    ready: watch::Sender<bool>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    slice: watch::Sender<Arc<Snapshot>>,
    desired: watch::Sender<Arc<Desired>>,
    peers: watch::Sender<Rows<Peer>>,
    gateways: watch::Sender<Rows<Gateway>>,
    reports: (mpsc::Sender<Report>, mpsc::Receiver<Report>),
    asks: (mpsc::Sender<Ask>, mpsc::Receiver<Ask>),
    accepted: (mpsc::Sender<Accepted>, mpsc::Receiver<Accepted>),
    registrations: Arc<Registrations>,
}

impl Wires {
    fn new(peers: Rows<Peer>, gateways: Rows<Gateway>) -> Self {
        Self {
            bell: Arc::new(Notify::new()),
            ready: watch::Sender::new(false),
            snapshot: watch::Sender::new(Arc::default()),
            slice: watch::Sender::new(Arc::default()),
            desired: watch::Sender::new(Arc::default()),
            peers: watch::Sender::new(peers),
            gateways: watch::Sender::new(gateways),
            reports: mpsc::channel(256),
            asks: mpsc::channel(16),
            accepted: mpsc::channel(64),
            registrations: Arc::default(),
        }
    }
}

struct Parts {
    config: FederationConfig,
    network: NetworkId,
    store: Arc<dyn Store>,
    channels: Channels,
    clock: Clock,
    tables: Tables,
    before: Before,
    /// The last good content of what sources read.
    texts: Texts,
    registry: Registry,
    diary: Diary,
    wires: Wires,
}

impl Parts {
    fn context(&self) -> Context {
        Context {
            cluster: self.config.cluster.clone(),
            trust_domain: self.config.trust_domain.clone(),
            network: self.network.clone(),
            root_namespace: self.config.root_namespace.clone(),
        }
    }

    fn common(&self) -> Common {
        let config = &self.config;
        Common {
            ours: config.trust_domain.controller(&config.cluster),
            cluster: config.cluster.clone(),
            settings: Settings {
                heartbeat: config.heartbeat,
                lease: config.lease.clamp(Lease::SHORTEST, Lease::LONGEST),
                ..Settings::default()
            },
            channels: self.channels.clone(),
            snapshot: self.wires.snapshot.subscribe(),
            reports: self.wires.reports.0.clone(),
        }
    }

    fn run(self, scope: &Scope) {
        let context = self.context();
        let common = self.common();
        let Self { config, wires, .. } = self;
        let bell = &wires.bell;
        let start = |source| sources::start(source, context.clone(), &self.texts, bell, scope);
        let sources = config.sources.into_iter().enumerate().map(start).collect();
        let inputs = Inputs {
            bell: Arc::clone(bell),
            sources,
            peers: wires.peers.subscribe(),
            gateways: wires.gateways.subscribe(),
            reports: wires.reports.1,
            asks: wires.asks.1,
        };
        let ready = wires.ready.subscribe();
        let desired = wires.desired.subscribe();
        let outputs = Outputs {
            ready: wires.ready,
            snapshot: wires.snapshot,
            gateways: wires.slice,
            desired: wires.desired,
        };
        let terms = Terms {
            cluster: config.cluster.clone(),
            trust_domain: config.trust_domain,
            limits: config.limits,
            withdrawal: config.withdrawal,
        };
        let sessions = peering::run(
            common,
            ready,
            wires.peers.subscribe(),
            wires.accepted.1,
            scope.child("peering"),
        );
        let reconcile = reconcile::run(
            config.cluster,
            terms,
            self.before,
            self.clock,
            inputs,
            outputs,
        );
        let register = discovery::register(self.registry, wires.registrations);
        let peers = mirror::run(self.tables.peers, wires.peers, Arc::clone(bell));
        let gateways = mirror::run(self.tables.gateways, wires.gateways, Arc::clone(bell));
        keep(scope, "peers", peers);
        keep(scope, "gateways", gateways);
        keep(scope, "register", register);
        keep(scope, "reconcile", reconcile);
        keep(scope, "sessions", sessions);
        scope.spawn(
            "persist",
            persist::run(self.store, self.diary, desired, scope.shutdown()),
        );
    }
}

async fn rows<T>(table: &Table<T>) -> Result<Rows<T>, TableError>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let rows = table.list().await?.rows.into_iter();
    Ok(Arc::new(
        rows.map(|row| (row.id, Arc::new(row.value))).collect(),
    ))
}

#[cfg(test)]
mod tests;
