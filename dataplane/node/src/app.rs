//! [`App`]: the parts of a node or gateway, built in the order in which they trust each other.
//!
//! Identity first, then discovery, then listeners; the drain goes the other way. It reads no
//! configuration file, handles no signal and makes no runtime, so that whole meshes run it in one
//! process on an in-memory network and a paused clock.

mod error;
mod running;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use pelago_ca_agent::Agent;
use pelago_dataplane_policy::Home;
use pelago_dataplane_proxy::{self as proxy, CONNECTIONS, Lines, Proxy, Role, Telemetry};
use pelago_identity::session::Session;
use pelago_identity::{Channels, Identity, StateDir, Target, channel};
use pelago_model::{ClusterId, NetworkId, Snapshot, SpiffeId};
use pelago_net::{BoxNet, ListenOptions, Listener as _, Net, UnixListenOptions};
use pelago_runtime::admin::{Condition, Readiness};
use pelago_runtime::clock::Clock;
use pelago_runtime::scope::Scope;
use pelago_runtime::telemetry::Metrics;
use tokio::io::AsyncWrite;
use tokio::sync::watch;

pub use error::StartError;
pub use running::Running;

use running::{Scopes, Seen};

use crate::discovery::{self, Discovery, Stream};
use crate::enrolment::{self, TokenSource};
use crate::placement::Placement;
use crate::settings::{Part, Settings};
use crate::snapshots::Snapshots;
use crate::{endpoint, ready};

/// What an [`App`] runs on.
pub struct Ground<N> {
    /// The network.
    pub net: N,
    /// The wall clock.
    pub clock: Clock,
    /// Where the identity is kept.
    pub state: StateDir,
    /// Where the last snapshot is kept.
    pub snapshots: Snapshots,
    /// The token of the first start.
    pub token: TokenSource,
    /// Where the line of each connection goes: one JSON object per line.
    pub access_log: AccessLog,
    /// Where the workers run.
    pub placement: Placement,
    /// Spreads renewals and reconnects: another number for each process.
    pub seed: u64,
}

/// Where the line of each connection goes.
pub type AccessLog = Box<dyn AsyncWrite + Send + Unpin>;

/// A node or gateway that knows who it is, and does nothing yet.
pub struct App<N: Net> {
    settings: Settings,
    net: N,
    clock: Clock,
    placement: Placement,
    access_log: AccessLog,
    keep: Snapshots,
    seed: u64,
    own: SpiffeId,
    target: Target,
    identity: Identity,
    session: Session,
    discovery: Discovery,
    metrics: Metrics,
    readiness: Readiness,
}

impl<N: Net> App<N> {
    /// Finds out who this process is, by its state or its token, and what it knew last.
    ///
    /// # Errors
    /// [`StartError`]: no identity, another process's state, a newer format.
    pub async fn build(settings: Settings, ground: Ground<N>) -> Result<Self, StartError> {
        let (clock, state, keep) = (ground.clock, ground.state, ground.snapshots);
        let boxed = BoxNet::new(ground.net.clone());
        let token = ground.token;
        let stored = enrolment::identity(&boxed, &clock, &state, &token, &settings).await?;
        let own = stored.svid.id().clone();
        let target = stored.target(settings.controller.clone());
        let target = target.ok_or_else(|| StartError::NoController { own: own.clone() })?;
        let kept = keep.load(&own)?;
        let workloads = state.load_workloads(&own).map_err(StartError::Workloads)?;
        let (writer, identity) = channel(Arc::clone(&clock));
        let session = Session::new(writer, state, stored, ground.seed);
        Ok(Self {
            session: match workloads {
                Some(kept) => session.resuming(kept),
                None => session,
            },
            discovery: Discovery::new(kept),
            settings,
            net: ground.net,
            clock,
            placement: ground.placement,
            access_log: ground.access_log,
            keep,
            seed: ground.seed,
            own,
            target,
            identity,
            metrics: Metrics::new(),
            readiness: Readiness::new(),
        })
    }

    /// Who this process is.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.own
    }

    /// Whether it is ready, and what for it waits.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// What it holds of itself and of trust.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity.clone()
    }

    /// What it knows of the mesh.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.discovery.snapshots()
    }

    /// Starts everything in children of `scope`. Returns once it serves, which takes a first
    /// answer of the controller unless a snapshot was kept. Cancelling it ends what was started.
    ///
    /// # Errors
    /// [`StartError`]: a port or socket in use, no thread for a worker.
    pub async fn run(self, scope: &Scope) -> Result<Running, StartError> {
        let scopes = Scopes::of(scope);
        let identity_ready = self.readiness.condition("identity", "starting");
        let discovery_ready = self.readiness.condition("discovery", "starting");
        let waiting = "waiting for identity and discovery";
        let listening = self.readiness.condition("listeners", waiting);
        let metrics = self.listen_endpoint("listen.metrics", self.settings.metrics, &scopes);
        let metrics = metrics.await?;
        let health = self.listen_endpoint("listen.health", self.settings.health, &scopes);
        let health = health.await?;
        let snapshots = self.discovery.snapshots();
        let (telemetry, lines) = Telemetry::new(&self.metrics, Arc::clone(&self.clock));
        let proxy = self.bind_proxy(snapshots.clone(), telemetry).await?;
        self.serve_workload_api(&scopes.listeners).await?;

        self.follow_identity(identity_ready, &scopes.identities);
        let seen = Seen {
            id: self.own.clone(),
            readiness: self.readiness.clone(),
            identity: self.identity.clone(),
            snapshots,
            bound: proxy.bound(),
            metrics,
            health,
        };
        let placement = self.placement;
        let usable = self.start_streams(lines, discovery_ready, &scopes);
        usable.wait().await;

        let workers = proxy.workers(&scopes.listeners);
        let threads = placement.place(workers, &scopes.listeners);
        let threads = threads.map_err(StartError::Threads)?;
        listening.met();
        Ok(Running::new(scopes, threads, listening, seen))
    }

    /// The trust session, the log of connections, and discovery.
    fn start_streams(self, lines: Lines, ready: Condition, scopes: &Scopes) -> discovery::Usable {
        let identities = &scopes.identities;
        write_lines(lines, self.access_log, identities);
        let channels = Channels::new(BoxNet::new(self.net), self.identity);
        let (target, drain) = (self.target.clone(), identities.shutdown());
        let session = self.session.run(channels.clone(), target, drain);
        identities.spawn_critical("trust", session);
        let stream = Stream {
            channels,
            target: self.target,
            client: discovery::client(self.own, &self.settings),
            seed: self.seed,
        };
        self.discovery
            .start(&scopes.discoveries, stream, self.keep, ready)
    }

    fn follow_identity(&self, ready: Condition, scope: &Scope) {
        let help = "Unix second at which the process's own SVID expires";
        let expires = self.metrics.gauge("own_svid_expires", help);
        let serves_workloads = matches!(self.settings.part, Part::Node { .. });
        let (identity, drain) = (self.identity.clone(), scope.shutdown());
        let follow = ready::follow_identity(identity, serves_workloads, ready, expires, drain);
        scope.spawn("identity-ready", follow);
    }

    /// Metrics and health; where they are served.
    async fn listen_endpoint(
        &self,
        field: &'static str,
        at: SocketAddr,
        scopes: &Scopes,
    ) -> Result<SocketAddr, StartError> {
        let listener = self.net.listen(at, ListenOptions::default()).await;
        let listener = listener.map_err(|source| StartError::Listen { field, source })?;
        let at = listener.local_addr();
        let (metrics, readiness) = (self.metrics.clone(), self.readiness.clone());
        let drain = scopes.identities.shutdown();
        let serve = endpoint::serve::<N>(listener, metrics, readiness, drain);
        scopes.identities.spawn_critical(field, serve);
        Ok(at)
    }

    async fn bind_proxy(
        &self,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        telemetry: Telemetry,
    ) -> Result<Proxy<N>, StartError> {
        let (field, role) = match &self.settings.part {
            Part::Node { hbone, socks, .. } => (
                "listen.hbone or listen.socks",
                Role::Node {
                    hbone: Some(*hbone),
                    socks: *socks,
                },
            ),
            Part::Gateway { listen, .. } => (
                "listen.gateway",
                Role::Gateway {
                    listen: *listen,
                    controller: self.settings.controller.clone(),
                },
            ),
        };
        let settings = proxy::Settings {
            home: self.home()?,
            own_id: self.own.clone(),
            role,
            connections: CONNECTIONS,
        };
        let (net, identity) = (self.net.clone(), self.identity.clone());
        let workers = self.placement.workers();
        let bound = Proxy::bind(net, identity, snapshots, settings, telemetry, workers).await;
        bound.map_err(|source| StartError::Listen { field, source })
    }

    /// Who decides: cluster and trust domain are those of our own SVID, not of the configuration.
    fn home(&self) -> Result<Home, StartError> {
        let nobody = || StartError::NoController {
            own: self.own.clone(),
        };
        let cluster = self.own.part().ok_or_else(nobody)?.cluster();
        let cluster = ClusterId::parse(cluster).map_err(|_| nobody())?;
        let settings = &self.settings;
        let listeners = match &settings.part {
            Part::Node { hbone, socks, .. } => [Some(*hbone), *socks],
            Part::Gateway { listen, .. } => [Some(*listen), None],
        };
        let mut reserved: BTreeSet<u16> = [settings.metrics.port(), settings.health.port()].into();
        reserved.extend(listeners.into_iter().flatten().map(|at| at.port()));
        Ok(Home {
            network: NetworkId::of(cluster.clone(), settings.network.clone()),
            cluster,
            trust_domain: self.own.trust_domain().clone(),
            locality: settings.locality.clone(),
            reserved_ports: reserved,
        })
    }

    async fn serve_workload_api(&self, scope: &Scope) -> Result<(), StartError> {
        let Part::Node { socket, .. } = &self.settings.part else {
            return Ok(());
        };
        let options = UnixListenOptions::EVERYONE;
        let listener = self.net.listen_unix(socket, options).await;
        let listener = listener.map_err(StartError::Socket)?;
        let agent = Agent::new(self.identity.clone());
        scope.spawn_critical("workload-api", agent.serve(listener, scope.shutdown()));
        Ok(())
    }
}

/// A log that cannot be written costs the lines, not the service.
fn write_lines(lines: Lines, to: AccessLog, scope: &Scope) {
    scope.spawn("access-log", async move {
        if let Err(error) = lines.write(to).await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "the access log cannot be written: connections go on unlogged"
            );
        }
    });
}

impl<N> std::fmt::Debug for Ground<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground")
            .field("token", &self.token)
            .field("placement", &self.placement)
            .finish_non_exhaustive()
    }
}

impl<N: Net> std::fmt::Debug for App<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("id", &self.own)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
