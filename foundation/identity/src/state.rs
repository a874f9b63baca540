//! The trust truth of a process: own SVID, workloads' SVIDs, entries and bundles.
//!
//! One writer (the CA in a controller, the trust session in a node), many readers. A wake-up
//! carries no data: read [`Identity::current`] again. Nothing here decides who is trusted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use pelago_model::{BundleSet, RegistrationEntry, SpiffeId};
use pelago_runtime::clock::Clock;
use tokio::sync::watch;

use crate::svid::Svid;

/// The state at one moment.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The process's own SVID (controller, node or gateway).
    pub own: Option<Arc<Svid>>,
    /// SVIDs of local workloads by their ID.
    pub workloads: BTreeMap<SpiffeId, Arc<Svid>>,
    /// The registration entries of this node, by the order of their ids.
    pub entries: Vec<RegistrationEntry>,
    /// Whether `entries` was told by the controller since the start: before that they are those
    /// kept from before, and that one is missing says nothing.
    pub entries_received: bool,
    /// The roots by trust domain.
    pub bundles: BundleSet,
}

impl State {
    /// The SVID of this ID, own or a workload's.
    #[must_use]
    pub fn svid(&self, id: &SpiffeId) -> Option<Arc<Svid>> {
        self.own
            .as_ref()
            .filter(|own| own.id() == id)
            .or_else(|| self.workloads.get(id))
            .cloned()
    }
}

/// Reads the process's identity. Clones see the same state.
#[derive(Clone)]
pub struct Identity {
    state: watch::Receiver<Arc<State>>,
    clock: Clock,
}

/// Writes the process's identity; there is one per process.
pub struct IdentityWriter {
    state: watch::Sender<Arc<State>>,
    clock: Clock,
}

/// An empty identity: its writer and its first reader. Certificates are judged by `clock`.
#[must_use]
pub fn channel(clock: Clock) -> (IdentityWriter, Identity) {
    let (state, _) = watch::channel(Arc::default());
    let writer = IdentityWriter { state, clock };
    let reader = writer.identity();
    (writer, reader)
}

impl Identity {
    /// The state now.
    #[must_use]
    pub fn current(&self) -> Arc<State> {
        Arc::clone(&self.state.borrow())
    }

    /// Waits until the state is another than when this reader last waited (or was made). Never
    /// resolves once the writer is gone: the last state then stays for good.
    pub async fn changed(&mut self) {
        if self.state.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The ID of the process's own SVID, once it has one.
    #[must_use]
    pub fn own_id(&self) -> Option<SpiffeId> {
        self.state.borrow().own.as_ref().map(|own| own.id().clone())
    }

    /// The clock certificates are judged by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// Unix seconds now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now().as_secs()
    }
}

impl IdentityWriter {
    /// Changes the state, wakes every reader and returns what `change` returns. Readers in the
    /// middle of a connection keep the state they began with.
    pub fn update<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut answer = None;
        self.state
            .send_modify(|state| answer = Some(change(Arc::make_mut(state))));
        #[expect(
            clippy::expect_used,
            reason = "send_modify always runs its closure, under its lock, so that no update is lost"
        )]
        answer.expect("send_modify ran the change")
    }

    /// A reader of what this writes.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity {
            state: self.state.subscribe(),
            clock: Arc::clone(&self.clock),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.own_id()).finish()
    }
}

impl fmt::Debug for IdentityWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityWriter")
    }
}
