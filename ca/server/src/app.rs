//! The CA of one cluster, put together.

use std::sync::Arc;

use pelago_identity::{Channels, IdentityWriter};
use pelago_net::BoxNet;
use pelago_runtime::clock::Clock;
use pelago_runtime::scope::{Drain, Scope};
use pelago_runtime::telemetry::Metrics;
use pelago_store::{Schema, SchemaError, Store};
use pelago_wire::admin::trust_admin_server::TrustAdminServer;
use pelago_wire::trust::trust_server::TrustServer;
use tokio::sync::watch;

use crate::admin::AdminService;
use crate::ca::{Ca, Seats};
use crate::config::{CaConfig, ConfigError};
use crate::counters::Counters;
use crate::follow;
use crate::issuance::Issuance;
use crate::keys::Keyring;
use crate::limit::Limiter;
use crate::signing::{self, SigningError};
use crate::tables::Tables;
use crate::trust::TrustService;
use crate::view::{View, ViewError};
use crate::{peers, redeem, renew};

/// The CA of one cluster. Clones are the same CA.
#[derive(Clone)]
pub struct CaServer {
    pub(crate) ca: Arc<Ca>,
    renew_at: u64,
}

/// Why a CA did not open. Nothing was issued.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration.
    #[error("the CA's configuration was refused")]
    Config(#[from] ConfigError),
    /// The store is another cluster's, or of a newer release.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The authorities, their keys, or the trust domain.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// Peers, bundles or entries.
    #[error(transparent)]
    View(#[from] ViewError),
    /// What a crash left could not be completed, or our own SVID not be issued.
    #[error("the CA could not start")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl CaServer {
    /// Opens the CA on its store and keys: makes root and intermediate at first
    /// start, reads them at the next; completes what a crash left; issues the
    /// controller's own SVID into `identity`.
    ///
    /// # Errors
    /// [`OpenError`]; a store of another cluster or trust domain by name.
    pub async fn open(
        config: CaConfig,
        store: Arc<dyn Store>,
        keyring: Arc<dyn Keyring>,
        identity: IdentityWriter,
        channels: Channels,
        net: BoxNet,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        config.check()?;
        Schema::open(store.as_ref(), config.cluster.as_str()).await?;
        let tables = Arc::new(Tables::new(&store));
        let now = clock.now().as_secs();
        let active = signing::open(&tables, keyring.as_ref(), &config, now).await?;
        let counters = Arc::new(Counters::default());
        Counters::ends(&counters.intermediate_ends, active.authority.not_after);
        let root_ends = signing::root_ends(&tables).await?;
        Counters::ends(&counters.root_ends, root_ends);
        let realm = config.realm();
        let ca = Arc::new(Ca {
            view: View::new(realm.clone(), Arc::clone(&tables), identity),
            issuance: Issuance::new(Arc::clone(&tables), keyring, active),
            realm,
            config,
            tables,
            channels,
            net,
            clock,
            seats: Seats::new(counters.sessions.clone()),
            counters,
            requests: Limiter::new(REQUEST_BURST, REQUESTS_PER_SECOND),
            guesses: Limiter::new(GUESS_BURST, GUESSES_PER_SECOND),
            settling: tokio::sync::Mutex::default(),
            unfinished: false.into(),
            closing: watch::Sender::new(false),
        });
        ca.view.reload().await?;
        let entries = follow::read_entries(&ca.tables.entries).await;
        ca.view.set_entries(entries.map_err(ViewError::from)?.0);
        let recovered = redeem::recover(&ca).await;
        recovered.map_err(|error| OpenError::Start(Box::new(error)))?;
        let renew_at = renew::own(&ca).await;
        let renew_at = renew_at.map_err(|error| OpenError::Start(Box::new(error)))?;
        Ok(Self { ca, renew_at })
    }

    /// `pelago.trust.v1`, for a server whose connections carry
    /// [`pelago_identity::PeerInfo`].
    #[must_use]
    pub fn trust_service(&self) -> TrustServer<TrustService> {
        TrustService::server(Arc::clone(&self.ca))
    }

    /// The trust half of the admin API, for a server whose requests carry an
    /// [`pelago_store::Actor`].
    #[must_use]
    pub fn admin_service(&self) -> TrustAdminServer<AdminService> {
        AdminService::server(Arc::clone(&self.ca))
    }

    /// What was counted since the start.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.ca.counters)
    }

    /// Shows what is counted, the open sessions and when our certificates end
    /// as `pelago_ca_…` in this registry. Once per registry.
    pub fn register(&self, metrics: &Metrics) {
        self.ca.counters.show(metrics);
    }

    /// Starts what runs by itself: following the store, renewing, a session to
    /// every peer. When the drain begins it ends, and with it every session.
    pub fn run(&self, scope: &Scope) {
        let drain = scope.shutdown();
        let ca = || Arc::clone(&self.ca);
        scope.spawn("trust", until(drain.clone(), follow::trust(ca())));
        scope.spawn("entries", until(drain.clone(), follow::entries(ca())));
        let renewing = renew::run(ca(), self.renew_at);
        scope.spawn("renew", until(drain.clone(), renewing));
        scope.spawn("peers", peers::keep(ca(), scope.child("peers")));
        let ca = ca();
        scope.spawn("closing", async move {
            drain.begun().await;
            ca.closing.send_replace(true);
        });
    }
}

async fn until(drain: Drain, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = drain.begun() => {}
    }
}

impl std::fmt::Debug for CaServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CaServer").field(&self.ca.realm).finish()
    }
}

/// A node that starts asks for all its entries at once.
const REQUEST_BURST: u32 = 512;
const REQUESTS_PER_SECOND: u32 = 32;
/// Many nodes may enrol through one gateway's address.
const GUESS_BURST: u32 = 512;
const GUESSES_PER_SECOND: u32 = 32;
