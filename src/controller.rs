//! A controller: the CA and the federation of one cluster in one process.
//!
//! The wings are built here side by side and meet only in the store. The same
//! [`Controller`] runs in the process of `pelago run controller` and, on an
//! in-memory network and store, in whole-mesh tests.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pelago_ca_server::{CaConfig, CaServer, DiskKeyring, Keyring};
use pelago_federation_server::{Federation, FederationConfig, Source};
use pelago_identity::{Channels, ClientAuth, Identity};
use pelago_model::{ClusterId, HostPort, Name, Namespace, SpiffeId, TrustDomain};
use pelago_net::{BoxNet, ListenOptions, Net as _, SystemNet};
use pelago_runtime::admin::Readiness;
use pelago_runtime::clock::{Clock, SystemClock};
use pelago_runtime::scope::Scope;
use pelago_runtime::telemetry::Metrics;
use pelago_store::{RedbStore, Store};

use crate::admin;
use crate::config::{ControllerConfig, Lifetimes};
use crate::failure::Failure;

/// What a controller is told, whatever it runs on.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The cluster, fixed at first start.
    pub cluster: ClusterId,
    /// Its trust domain.
    pub trust_domain: TrustDomain,
    /// The default network of its workloads.
    pub network: Name,
    /// Where a policy without a selector speaks of the whole cluster.
    pub root_namespace: Namespace,
    /// Lifetimes of SVIDs.
    pub lifetimes: Lifetimes,
    /// How often a holder of a bundle should ask again.
    pub refresh_hint: Duration,
    /// Where peers find this cluster's gateways.
    pub advertise: Vec<HostPort>,
    /// Where it listens for nodes, gateways and peers.
    pub control: SocketAddr,
    /// The resources of the mesh.
    pub source: Source,
    /// The admin API's socket and the uid that may use it (root always may).
    pub admin: (PathBuf, u32),
}

/// What a controller runs on.
#[derive(Clone)]
pub struct Ground {
    /// The network.
    pub net: BoxNet,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The keys.
    pub keyring: Arc<dyn Keyring>,
    /// The wall clock.
    pub clock: Clock,
}

/// A controller, built and ready to run.
pub struct Controller {
    settings: Settings,
    ground: Ground,
    identity: Identity,
    id: SpiffeId,
    ca: CaServer,
    federation: Federation,
}

impl Controller {
    /// Opens the state and builds both wings; nothing listens yet.
    ///
    /// # Errors
    /// State of another cluster or a newer format, damaged state, keys that
    /// others could read.
    pub async fn build(settings: Settings, ground: Ground) -> anyhow::Result<Self> {
        let (writer, identity) = pelago_identity::channel(Arc::clone(&ground.clock));
        let channels = Channels::new(ground.net.clone(), identity.clone());
        let ca = CaServer::open(
            ca_config(&settings),
            Arc::clone(&ground.store),
            Arc::clone(&ground.keyring),
            writer,
            channels.clone(),
            ground.net.clone(),
            Arc::clone(&ground.clock),
        )
        .await?;
        let federation = Federation::open(
            federation_config(&settings),
            Arc::clone(&ground.store),
            channels,
            Arc::clone(&ground.clock),
        )
        .await?;
        let id = settings.trust_domain.controller(&settings.cluster);
        Ok(Self {
            settings,
            ground,
            identity,
            id,
            ca,
            federation,
        })
    }

    /// Starts everything in `scope`: the admin socket, the control port, both
    /// wings. Returns once it serves.
    ///
    /// # Errors
    /// A port or socket that is taken, by its name.
    pub async fn start(&self, scope: &Scope) -> anyhow::Result<()> {
        let net = &self.ground.net;
        let control = net
            .listen(self.settings.control, ListenOptions::default())
            .await
            .context("listen.control")?;
        let (socket, owner) = &self.settings.admin;
        let admin = admin::serve(net, socket, *owner, self.admin_routes(), scope.shutdown())
            .await
            .context("adminSocket")?;

        self.ca.run(scope);
        self.federation.run(scope);

        let incoming = pelago_identity::incoming(
            control,
            self.identity.clone(),
            self.id.clone(),
            ClientAuth::Optional,
        );
        let drain = scope.shutdown();
        let server = tonic::transport::Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE))
            .add_routes(self.control_routes());
        scope.spawn_critical("control", async move {
            server
                .serve_with_incoming_shutdown(incoming, async move { drain.begun().await })
                .await
        });
        scope.spawn_critical("admin", async move {
            admin
                .await
                .map_err(Box::<dyn std::error::Error + Send + Sync>::from)
        });
        Ok(())
    }

    /// The federation wing, for those who watch what it publishes.
    #[must_use]
    pub const fn federation(&self) -> &Federation {
        &self.federation
    }

    /// The identity this controller shows.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.id
    }

    /// Shows what the CA counts, and when its certificates expire.
    pub fn register(&self, metrics: &Metrics) {
        self.ca.register(metrics);
    }

    fn control_routes(&self) -> tonic::service::Routes {
        tonic::service::Routes::new(self.ca.trust_service())
            .add_service(self.federation.discovery_service())
            .add_service(self.federation.peering_service())
    }

    fn admin_routes(&self) -> tonic::service::Routes {
        use tonic::service::interceptor::InterceptedService;
        tonic::service::Routes::new(InterceptedService::new(
            self.ca.admin_service(),
            admin::identify,
        ))
        .add_service(InterceptedService::new(
            self.federation.admin_service(),
            admin::identify,
        ))
    }
}

fn ca_config(settings: &Settings) -> CaConfig {
    CaConfig {
        cluster: settings.cluster.clone(),
        trust_domain: settings.trust_domain.clone(),
        dns_names: Vec::new(),
        svid_ttl: settings.lifetimes.svid,
        renew_every: settings.lifetimes.renew_every,
        intermediate_ttl: INTERMEDIATE_TTL,
        root_ttl: ROOT_TTL,
        refresh_hint: settings.refresh_hint,
        advertise: settings.advertise.clone(),
        control: vec![settings.control.into()],
    }
}

fn federation_config(settings: &Settings) -> FederationConfig {
    FederationConfig::new(
        settings.cluster.clone(),
        settings.trust_domain.clone(),
        settings.network.clone(),
        settings.root_namespace.clone(),
        vec![settings.source.clone()],
    )
}

/// Runs a controller from its configuration file until it is told to end.
///
/// # Errors
/// Exit code 2 for a configuration that is not valid, 1 for all else.
pub fn main(path: &Path) -> Result<(), Failure> {
    let config = ControllerConfig::read(path).map_err(Failure::invalid)?;
    let settings = settings(&config);
    ca_config(&settings).check().map_err(Failure::invalid)?;
    pelago_runtime::telemetry::init(&config.log).map_err(Failure::invalid)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::failed)?;
    runtime
        .block_on(run(&config, settings))
        .map_err(Failure::Failed)
}

async fn run(config: &ControllerConfig, settings: Settings) -> anyhow::Result<()> {
    make_private(&config.state)?;
    let store = RedbStore::open(config.store_file()).await?;
    let ground = Ground {
        net: BoxNet::new(SystemNet::new()),
        store: Arc::new(store),
        keyring: Arc::new(DiskKeyring::open(config.key_folder()).await?),
        clock: Arc::new(SystemClock),
    };
    let metrics = tokio::net::TcpListener::bind(config.metrics)
        .await
        .with_context(|| format!("listen.metrics: cannot listen on {}", config.metrics))?;
    let controller = Controller::build(settings, ground).await?;

    let scope = Scope::new("controller");
    let readiness = Readiness::new();
    let serving = readiness.condition("serving", "starting");
    let registry = Metrics::new();
    controller.register(&registry);
    let router = pelago_runtime::admin::router(registry, readiness);
    scope.spawn_critical(
        "metrics",
        pelago_runtime::admin::serve(metrics, router, scope.shutdown()),
    );
    controller.start(&scope).await?;
    serving.met();
    tracing::info!(cluster = %config.cluster, id = %controller.id(), "controller serves");

    let ended = tokio::select! {
        ended = scope.ended() => Err(anyhow::Error::new(ended.error).context(ended.task)),
        signal = told_to_end() => signal,
    };
    let drained = scope.drain(DRAIN).await;
    tracing::info!(
        finished = drained.finished,
        cut = drained.cut.len(),
        "controller ended"
    );
    ended
}

fn settings(config: &ControllerConfig) -> Settings {
    Settings {
        cluster: config.cluster.clone(),
        trust_domain: config.trust_domain.clone(),
        network: config.network.clone(),
        root_namespace: config.root_namespace.clone(),
        lifetimes: config.lifetimes,
        refresh_hint: config.refresh_hint,
        advertise: config.advertise.clone(),
        control: config.control,
        source: Source::Files(config.mesh.clone()),
        admin: (config.admin_socket.clone(), nix::unistd::geteuid().as_raw()),
    }
}

async fn told_to_end() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Makes the state folder for our own user alone.
fn make_private(folder: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the state folder {}", folder.display()))
}

const INTERMEDIATE_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
const ROOT_TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
const KEEPALIVE: Duration = Duration::from_secs(10);
const DRAIN: Duration = Duration::from_secs(5);
const MAX_STREAMS: u32 = 1024;
