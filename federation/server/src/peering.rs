//! Sessions with peers: dialled and accepted, one kept.
//!
//! Each peer has a task of its own, in a scope of its own, so that what one peer
//! sends never stops another. What peers say goes to the one who reconciles;
//! nothing is judged here but who speaks.

mod allowance;
mod codec;
mod common;
mod drive;
mod pace;
mod peer;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pelago_model::{ClusterId, Peer};
use pelago_runtime::scope::Scope;
use tokio::sync::{mpsc, watch};
use tokio::time::interval;

use crate::mirror::Rows;

pub(crate) use common::{Common, Heard, Report};
pub(crate) use service::{Accepted, PeeringService};

/// Keeps one task for each peer, until dropped.
pub(crate) async fn run(
    common: Common,
    mut ready: watch::Receiver<bool>,
    mut peers: watch::Receiver<Rows<Peer>>,
    mut accepted: mpsc::Receiver<Accepted>,
    scope: Scope,
) {
    // Before every source was read our list of exports would be empty, and the
    // peer would believe that.
    if ready.wait_for(|ready| *ready).await.is_err() {
        return;
    }
    let mut tasks: BTreeMap<ClusterId, Task> = BTreeMap::new();
    let mut patrol = interval(PATROL);
    loop {
        let known = peers.borrow_and_update().clone();
        tasks.retain(|cluster, task| {
            known
                .get(cluster.as_str())
                .is_some_and(|peer| task.serves(peer))
        });
        for peer in known.values() {
            let task = tasks.entry(peer.cluster.clone());
            task.or_insert_with(|| Task::start(&common, Arc::clone(peer), &scope));
        }
        tokio::select! {
            changed = peers.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            Some(session) = accepted.recv() => {
                let task = tasks.get(&session.peer.cluster);
                let task = task.filter(|task| task.peer.controller == session.peer.controller);
                if let Some(task) = task {
                    // A peer that opens sessions faster than they are looked at
                    // loses the newest.
                    let _ = task.inbox.try_send(session);
                }
            }
            _ = patrol.tick() => {}
        }
    }
}

/// One peer's task; dropping it cuts the session.
struct Task {
    peer: Arc<Peer>,
    inbox: mpsc::Sender<Accepted>,
    scope: Scope,
}

impl Task {
    fn start(common: &Common, peer: Arc<Peer>, scope: &Scope) -> Self {
        let (inbox, accepted) = mpsc::channel(4);
        let scope = scope.supervised(peer.cluster.as_str());
        scope.spawn(
            "session",
            peer::run(common.clone(), Arc::clone(&peer), accepted),
        );
        Self { peer, inbox, scope }
    }

    /// Whether the task is alive and dials and expects what it should.
    fn serves(&self, peer: &Peer) -> bool {
        !self.inbox.is_closed()
            && self.scope.live() > 0
            && self.peer.controller == peer.controller
            && self.peer.trust_domain == peer.trust_domain
            && self.peer.addresses == peer.addresses
    }
}

/// A task that died is noticed and started again after so long.
const PATROL: Duration = Duration::from_secs(5);
