//! A node or gateway that serves, and its end in the reverse order of its start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pelago_dataplane_proxy::Bound;
use pelago_identity::Identity;
use pelago_model::{Snapshot, SpiffeId};
use pelago_runtime::admin::{Condition, Readiness};
use pelago_runtime::scope::{Drained, Scope};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::placement::Threads;

/// A node or gateway that serves. Dropping it cuts everything; prefer [`Running::drain`].
pub struct Running {
    scopes: Scopes,
    threads: Threads,
    listening: Condition,
    seen: Seen,
}

/// The parts in the order of their start.
pub(super) struct Scopes {
    pub(super) identities: Scope,
    pub(super) discoveries: Scope,
    pub(super) listeners: Scope,
}

impl Scopes {
    pub(super) fn of(scope: &Scope) -> Self {
        Self {
            identities: scope.child("identity"),
            discoveries: scope.child("discovery"),
            listeners: scope.child("listeners"),
        }
    }
}

/// What others may look at.
pub(super) struct Seen {
    pub(super) id: SpiffeId,
    pub(super) readiness: Readiness,
    pub(super) identity: Identity,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) bound: Bound,
    pub(super) metrics: SocketAddr,
    pub(super) health: SocketAddr,
}

impl Running {
    pub(super) const fn new(
        scopes: Scopes,
        threads: Threads,
        listening: Condition,
        seen: Seen,
    ) -> Self {
        Self {
            scopes,
            threads,
            listening,
            seen,
        }
    }

    /// Who it is.
    #[must_use]
    pub const fn id(&self) -> &SpiffeId {
        &self.seen.id
    }

    /// Whether it is ready, and what for it waits.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.seen.readiness.clone()
    }

    /// What it holds of itself and of trust.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.seen.identity.clone()
    }

    /// What it knows of the mesh.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.seen.snapshots.clone()
    }

    /// Where the proxy listens, with real ports.
    #[must_use]
    pub const fn bound(&self) -> Bound {
        self.seen.bound
    }

    /// Where metrics are served, with the real port.
    #[must_use]
    pub const fn metrics(&self) -> SocketAddr {
        self.seen.metrics
    }

    /// Where health is served, with the real port.
    #[must_use]
    pub const fn health(&self) -> SocketAddr {
        self.seen.health
    }

    /// Stops accepting, lets what is open finish until the deadline, then cuts it; afterwards ends
    /// discovery and identity, which served it until then.
    pub async fn drain(self, deadline: Duration) -> Drained {
        self.listening.unmet("draining");
        let until = Instant::now() + deadline;
        let mut drained = self.scopes.listeners.drain(deadline).await;
        drop(self.threads);
        for scope in [self.scopes.discoveries, self.scopes.identities] {
            let left = until.saturating_duration_since(Instant::now()).max(LEAST);
            let part = scope.drain(left).await;
            drained.finished += part.finished;
            drained.cut.extend(part.cut);
        }
        drained
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("id", &self.seen.id)
            .finish_non_exhaustive()
    }
}

/// What the parts that carry no connection get to end, however long the others took.
const LEAST: Duration = Duration::from_secs(1);
