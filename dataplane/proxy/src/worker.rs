//! One worker: what all its connections share, and nothing of another worker.
//!
//! Its locks are held for a few instructions, never across an await. A task
//! that it spawns belongs to its scope and ends with it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pelago_dataplane_policy::Observed;
use pelago_identity::Identity;
use pelago_model::{GatewayId, Snapshot, Workload, WorkloadUid};
use pelago_net::Net;
use pelago_runtime::scope::{Drain, Scope};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::health::Health;
use crate::registry::Registry;
use crate::relay::Buffers;
use crate::settings::{PARTIES, STRANGERS, Settings};
use crate::shares::Shares;
use crate::telemetry::Telemetry;
use crate::tunnels::Tunnels;

/// What the connections of one worker share.
pub(crate) struct Worker<N> {
    pub(crate) net: N,
    pub(crate) identity: Identity,
    pub(crate) settings: Arc<Settings>,
    pub(crate) telemetry: Telemetry,
    pub(crate) registry: Registry,
    pub(crate) tunnels: Tunnels,
    pub(crate) buffers: Buffers,
    /// Room for further connections.
    pub(crate) room: Arc<Semaphore>,
    /// Room for further requests.
    pub(crate) requests: Arc<Semaphore>,
    /// Connections of those who are not verified.
    pub(crate) strangers: Shares,
    /// Connections of those who are.
    pub(crate) parties: Shares,
    /// Requests of those who are.
    pub(crate) askers: Shares,
    pub(crate) scope: Scope,
    pub(crate) drain: Drain,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    health: Mutex<Health>,
}

impl<N: Net> Worker<N> {
    pub(crate) fn new(
        net: N,
        identity: Identity,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        settings: Arc<Settings>,
        telemetry: Telemetry,
        scope: Scope,
    ) -> Self {
        Self {
            net,
            identity,
            registry: Registry::new(snapshots.clone(), Arc::clone(&settings)),
            tunnels: Tunnels::default(),
            buffers: Buffers::default(),
            room: Arc::new(Semaphore::new(settings.connections)),
            requests: Arc::new(Semaphore::new(settings.connections)),
            strangers: Shares::new(settings.connections / STRANGERS),
            parties: Shares::new(settings.connections / PARTIES),
            askers: Shares::new(settings.connections / PARTIES),
            drain: scope.shutdown(),
            health: Mutex::default(),
            settings,
            telemetry,
            scope,
            snapshots,
        }
    }

    /// The snapshot now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// The one workload of this node at an address of ours: whose SVID to show
    /// to who comes in there.
    pub(crate) fn workload_at(&self, snapshot: &Snapshot, ip: IpAddr) -> Option<Arc<Workload>> {
        let network = &self.settings.home.network;
        let mut ours = snapshot
            .workloads_at(network, ip)
            .filter(|workload| workload.node.as_ref() == Some(&self.settings.own_id));
        let first = ours.next()?;
        ours.next().is_none().then(|| Arc::clone(first))
    }

    /// What to rank by now.
    pub(crate) fn observed(&self) -> Observed {
        self.health().observed(Instant::now())
    }

    /// A request goes to that endpoint.
    pub(crate) fn begin(&self, uid: &WorkloadUid) {
        self.health().begin(uid, Instant::now());
    }

    /// The endpoint took a request.
    pub(crate) fn succeeded(&self, uid: &WorkloadUid) {
        self.health().succeeded(uid);
    }

    /// The endpoint did not take a request.
    pub(crate) fn failed(&self, uid: &WorkloadUid) {
        self.health().failed(uid, Instant::now());
    }

    /// The gateway does not answer; whether that is news.
    pub(crate) fn gateway_down(&self, id: &GatewayId) -> bool {
        let news = self.health().gateway_down(id);
        if news {
            tracing::warn!(gateway = %id, "the gateway does not answer: others are preferred");
            self.telemetry.gateway(true);
        }
        news
    }

    /// The gateway answers, or is none any more.
    pub(crate) fn gateway_up(&self, id: &GatewayId) {
        if self.health().gateway_up(id) {
            tracing::info!(gateway = %id, "the gateway answers again");
            self.telemetry.gateway(false);
        }
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
