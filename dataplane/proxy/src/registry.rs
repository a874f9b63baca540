//! Open connections and what let them in, so that a change of policy ends
//! them.
//!
//! On every new snapshot each open connection asks its question again; who is
//! no longer let in is cut. That goes on while draining. It keeps no byte of
//! theirs.

use std::sync::Arc;

use pelago_dataplane_policy::{Home, Passage, Permit};
use pelago_model::{Reason, Snapshot};
use tokio::sync::watch;

use crate::settings::Settings;

/// Makes the [`Open`]s of one worker.
#[derive(Debug, Clone)]
pub(crate) struct Registry {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    settings: Arc<Settings>,
}

/// What let a connection in.
#[derive(Debug, Clone)]
pub(crate) enum Leave {
    /// To one of our workloads.
    Permit(Box<Permit>),
    /// Through our gateway.
    Passage(Box<Passage>),
    /// One of our own workloads calls out: the far side decides.
    Call,
}

impl Leave {
    fn holds(&self, snapshot: &Snapshot, home: &Home) -> bool {
        match self {
            Self::Permit(permit) => permit.renew(snapshot, home).is_ok(),
            Self::Passage(passage) => passage.renew(snapshot, home).is_ok(),
            Self::Call => true,
        }
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct Open {
    leave: Leave,
    registry: Registry,
}

impl Registry {
    pub(crate) const fn new(
        snapshots: watch::Receiver<Arc<Snapshot>>,
        settings: Arc<Settings>,
    ) -> Self {
        Self {
            snapshots,
            settings,
        }
    }

    /// Enters a connection that an earlier look at the snapshot let in. It
    /// asks again at once, so that no change slips between.
    pub(crate) fn enter(&self, leave: Leave) -> Open {
        let mut registry = self.clone();
        registry.snapshots.mark_changed();
        Open { leave, registry }
    }
}

impl Open {
    /// Resolves when the connection is to be cut, with the reason.
    pub(crate) async fn cut(&mut self) -> Reason {
        let Registry {
            snapshots,
            settings,
        } = &mut self.registry;
        while snapshots.changed().await.is_ok() {
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            if !self.leave.holds(&snapshot, &settings.home) {
                return Reason::Revoked;
            }
        }
        // Nobody writes snapshots any more: the process is on its way out.
        std::future::pending().await
    }
}
